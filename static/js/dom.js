/** Small hands for the DOM: everything that changes often changes text nodes and attributes, nothing else. */

const SVG = "http://www.w3.org/2000/svg";
const SPRITE = document.documentElement.dataset.icons;

export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** The part of a row or card that shows this field. */
export const field = (root, name) => root.querySelector(`[data-f="${name}"]`);

export function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

export function attr(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
}

export function show(element, visible) {
  if (element) element.hidden = !visible;
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) attr(element, name, value);
  element.append(...children);
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) attr(element, name, value);
  element.append(...children);
  return element;
}

export function icon(name, size = "") {
  const use = svg("use", {href: `${SPRITE}#i-${name}`});
  return svg("svg", {class: size ? `i i--${size}` : "i", "aria-hidden": "true"}, use);
}

export function setIcon(drawing, name) {
  attr(drawing.querySelector("use"), "href", `${SPRITE}#i-${name}`);
}

/** A fresh copy of what a <template> holds. */
export function stamp(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Calls fn once, a moment after the last of many calls. */
export function soon(fn, wait) {
  let timer = null;
  return (...args) => {
    timer ??= setTimeout(() => {
      timer = null;
      fn(...args);
    }, wait);
  };
}
