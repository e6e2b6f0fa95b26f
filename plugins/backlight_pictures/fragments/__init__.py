"""Values as fragments of HTML beside what they are of, a module for each kind of input. A page needs the
CSS of `style` once, and an element of class `backlight` around them."""
