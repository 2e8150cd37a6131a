// What a page measures of itself; all that is folded has been opened.
(() => {
  function channels(text) {
    return (text.match(/[\d.]+/g) || []).map(Number);
  }
  function luminance(rgb) {
    const [r, g, b] = rgb.slice(0, 3).map(c => {
      c /= 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function background(element) {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  }
  function texts() {
    return Array.from(document.querySelectorAll("body *")).filter(element => {
      const own = Array.from(element.childNodes).some(
        node => node.nodeType === 3 && node.textContent.trim());
      return own && !["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName);
    });
  }
  // Texts with less contrast than WCAG AA asks for.
  function faint(element) {
    const style = getComputedStyle(element);
    const ink = channels(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(background(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  }
  // Texts of charts that reach beyond them, where they are cut.
  function cut(element) {
    const chart = element.closest(".chart");
    if (!chart || !(element instanceof SVGElement)) return false;
    const [inner, outer] = [element.getBoundingClientRect(), chart.getBoundingClientRect()];
    return inner.left < outer.left - 1 || inner.right > outer.right + 1
      || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
  }
  const charts = Array.from(document.querySelectorAll(".chart"));
  return {
    width: innerWidth,
    needed: document.documentElement.scrollWidth,
    images: Array.from(document.images, image => image.naturalWidth),
    charts: charts.map(chart => chart.getBoundingClientRect().width),
    drawings: charts.map(chart => chart.querySelector(".main-svg").getBoundingClientRect().width),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    faint: texts().filter(faint).map(element => element.outerHTML),
    cut: texts().filter(cut).map(element => element.outerHTML),
    inks: texts().filter(element => element.closest(".chart")).map(
      element => getComputedStyle(element).fill),
  };
})()
