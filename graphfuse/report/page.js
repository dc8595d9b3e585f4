"use strict";
// Hovering or focusing an edge, or its row in the list, lights it and both its ends. Everything else works without this.
for (const post of document.querySelectorAll(".post")) {
  const svg = post.querySelector(".canvas svg");
  const show = (number, on) => {
    const link = svg.querySelector(`.link[data-link="${number}"]`);
    const row = post.querySelector(`tr[data-link="${number}"]`);
    svg.classList.toggle("dimmed", on);
    for (const element of [link, row]) if (element) element.classList.toggle("lit", on);
    if (!link) return;
    for (const element of svg.querySelectorAll("[data-node]"))
      element.classList.toggle("lit", on && [link.dataset.source, link.dataset.target].includes(element.dataset.node));
  };
  for (const element of post.querySelectorAll("[data-link]")) {
    const number = Number(element.dataset.link);
    for (const [name, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]])
      element.addEventListener(name, () => show(number, on));
  }
}
