// A small menu beside a button: arrows move, Enter chooses, Escape and a click elsewhere close (WAI-ARIA menu button).

import { h, icon } from "./dom.js";

let close = null;

/**
 * @param {HTMLElement} anchor
 * @param {({heading: string} | {separator: true} | {label: string, icon?: string, checked?: boolean, radio?: boolean,
 *   action: () => void})[]} items
 */
export function openMenu(anchor, items) {
  const again = close?.anchor === anchor;
  close?.();
  if (again) return;
  const menu = h("div", { class: "menu", role: "menu", onkeydown: (event) => onKey(event, menu) },
    ...items.map((item) => entry(item)));
  document.body.append(menu);
  put(menu, anchor.getBoundingClientRect());
  anchor.setAttribute("aria-expanded", "true");
  const outside = (event) => !menu.contains(event.target) && !anchor.contains(event.target) && close?.();
  close = () => {
    close = null;
    menu.remove();
    anchor.removeAttribute("aria-expanded");
    removeEventListener("pointerdown", outside, true);
    removeEventListener("resize", shut);
  };
  close.anchor = anchor;
  const shut = () => close?.();
  addEventListener("pointerdown", outside, true);
  addEventListener("resize", shut);
  (menu.querySelector("[aria-checked=true]") ?? menu.querySelector("button"))?.focus({ preventScroll: true });

  function entry(item) {
    if (item.separator) return h("hr");
    if (item.heading) return h("p", { class: "menu-heading" }, item.heading);
    const choose = () => {
      close?.();
      anchor.focus({ preventScroll: true });
      item.action();
    };
    const checked = item.radio ? { role: "menuitemradio", "aria-checked": String(Boolean(item.checked)) } : { role: "menuitem" };
    return h("button", { type: "button", tabindex: "-1", ...checked, onclick: choose },
      item.icon ? icon(item.icon) : h("span", { class: "tick" }, item.checked && icon("check")), item.label);
  }

  function onKey(event, { children }) {
    const buttons = [...children].filter((one) => one.tagName === "BUTTON");
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to !== undefined) buttons[(to + buttons.length) % buttons.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") {
      close?.();
      anchor.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function put(menu, box) {
  const { width, height } = menu.getBoundingClientRect();
  const below = box.bottom + 6 + height < innerHeight;
  const left = Math.min(Math.max(8, box.right - width), innerWidth - width - 8);
  menu.style.left = `${left}px`;
  menu.style.top = `${Math.max(8, below ? box.bottom + 6 : box.top - height - 6)}px`;
}
