"use strict";
// The value below the pointer, of the 8 bits that the page holds, and its place on the colour bar.
(() => {
  const list = document.getElementById("list");
  const readout = document.body.appendChild(document.createElement("div"));
  readout.id = "readout";
  readout.hidden = true;
  readout.setAttribute("aria-hidden", "true");
  const canvas = document.createElement("canvas");
  let held = null;
  let pixels = null;
  const load = (image) => {
    if (held === image) return pixels;
    held = image;
    pixels = null;
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    try {
      pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    } catch (error) {
      if (error.name !== "SecurityError") throw error; // files beside the page may not be read
    }
    return pixels;
  };
  const digits = (value) => {
    const text = value === 0 ? "0" : String(Number(value.toPrecision(2)));
    return text.replace("-", "\u2212");
  };
  let marked = null;
  const away = () => {
    readout.hidden = true;
    marked?.removeAttribute("style");
    marked = null;
  };
  const point = (event) => {
    const stack = event.target.closest?.(".map .stack");
    const image = stack?.querySelector(".signed, .unsigned");
    if (!image?.complete || !image.naturalWidth || !load(image)) return away();
    const box = image.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * image.naturalWidth);
    const row = Math.floor(((event.clientY - box.top) / box.height) * image.naturalHeight);
    if (row < 0 || column < 0 || row >= canvas.height || column >= canvas.width) return away();
    const grey = pixels[4 * (row * canvas.width + column)];
    const signed = image.classList.contains("signed");
    const share = signed ? Math.max(-1, (grey - 128) / 127) : grey / 255;
    const value = share * Number(stack.dataset.limit);
    readout.textContent = `row ${row}, column ${column}: ${digits(value)}`;
    readout.hidden = false;
    readout.style.left = `${Math.min(event.clientX + 14, innerWidth - readout.offsetWidth - 6)}px`;
    readout.style.top = `${Math.max(4, event.clientY - 34)}px`;
    const bar = stack.closest(".technique").querySelector(".bar");
    if (marked && marked !== bar) marked.removeAttribute("style");
    marked = bar;
    bar.style.setProperty("--mark", `${signed ? 50 + 50 * share : 100 * share}%`);
    return undefined;
  };
  list.addEventListener("pointermove", point);
  list.addEventListener("pointerdown", point);
  list.addEventListener("pointerleave", away);
  addEventListener("scroll", away, { passive: true });
})();
