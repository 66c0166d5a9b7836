// Live updates: the server sends the parts of the page that changed, and they replace the old ones in place.
"use strict";

function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) return from.replaceWith(to);
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  const old = [...from.childNodes];
  const now = [...to.childNodes];
  now.forEach((child, n) => (n < old.length ? morph(old[n], child) : from.append(child)));
  old.slice(now.length).forEach((child) => child.remove());
}

function put(name, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const part of document.querySelectorAll(`[data-part="${CSS.escape(name)}"]`)) {
    const made = part.cloneNode(false);
    made.append(template.content.cloneNode(true));
    morph(part, made);
  }
}

function listen(address) {
  const pulse = document.querySelector("[data-pulse]");
  const show = (text, alive) => {
    if (!pulse) return;
    pulse.classList.toggle("alive", alive);
    pulse.firstElementChild.textContent = text;
  };
  const source = new EventSource(address);
  source.onopen = () => show("live", true);
  source.onerror = () => show(source.readyState === EventSource.CLOSED ? "disconnected: reload the page" : "connecting", false);
  source.onmessage = ({ data }) => Object.entries(JSON.parse(data)).forEach(([name, html]) => put(name, html));
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
}

if (document.body.dataset.live) listen(document.body.dataset.live);
document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (target.method !== "post") return;
  if (target.dataset.sent) event.preventDefault();
  target.dataset.sent = "yes";
  submitter?.setAttribute("aria-busy", "true");
});
