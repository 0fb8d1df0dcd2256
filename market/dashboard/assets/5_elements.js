// Elements of the page, made and changed.
"use strict";

// An element with properties (role and aria-… are attributes) and children.
Market.make = (tag, properties = {}, ...children) => {
  const found = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name.startsWith("aria-")) found.setAttribute(name, value); else found[name] = value;
  }
  found.append(...children);
  return found;
};

// Another text, where it is another one: what is not touched costs nothing, and is not read out again.
Market.say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
