"use strict";
(() => {
  // What hovering tells: every <title> in a chart and every title attribute, shown by the pointer, also by touch.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  for (const title of document.querySelectorAll("svg title")) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  for (const term of document.querySelectorAll("[title]")) {
    term.dataset.tip = term.title;
    term.setAttribute("aria-description", term.title);
    term.removeAttribute("title");
    term.tabIndex = 0;
  }
  const show = (mark, x, y) => {
    if (!mark) { tip.hidden = true; return; }
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const { offsetWidth: wide, offsetHeight: high } = tip;
    const right = document.documentElement.clientWidth - wide - 8;
    tip.style.left = `${Math.max(8, Math.min(x + 14, right))}px`;
    tip.style.top = `${y - high - 14 < 8 ? y + 20 : y - high - 14}px`;
  };
  const marked = (event) => event.target.closest?.("[data-tip]");
  document.addEventListener("pointermove", (event) => show(marked(event), event.clientX, event.clientY));
  document.addEventListener("pointerdown", (event) => show(marked(event), event.clientX, event.clientY));
  document.addEventListener("scroll", () => show(null), { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") show(null); });
  document.addEventListener("focusin", (event) => {
    const mark = marked(event);
    if (!mark?.matches(":focus-visible")) return;
    const box = mark.getBoundingClientRect();
    show(mark, box.left, box.top);
  });

  // Where one is reading.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const id of links.keys()) seen.observe(document.getElementById(id));

  // Code can be copied.
  if (navigator.clipboard) {
    for (const block of document.querySelectorAll("pre")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(block.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      const around = document.createElement("div");
      around.className = "code";
      block.replaceWith(around);
      around.append(block, button);
    }
  }

  // On paper nothing can be opened.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
})();
