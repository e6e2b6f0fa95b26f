"""Data, weights and nets to try Backlight on."""
