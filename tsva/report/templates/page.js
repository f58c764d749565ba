"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, facts = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), facts);
    element.append(...inside);
    return element;
  };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  // Folding: links open what they lead to, all opens for print, and one button opens or closes everything.
  const parts = all("details.part");
  const openTo = (id) => {
    const target = id && document.getElementById(id);
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", () => openTo(decodeURIComponent(location.hash.slice(1))));
  openTo(decodeURIComponent(location.hash.slice(1)));
  all('a[href^="#"]').forEach((link) => link.addEventListener("click", () => openTo(link.hash.slice(1))));
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    closed.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((part) => { part.open = false; }));
  const contents = document.querySelector(".toc details");
  if (contents) {
    if (innerWidth < 992) contents.open = false;
    const button = make("button", { type: "button", textContent: "Open all sections" });
    button.addEventListener("click", () => {
      const open = button.textContent.startsWith("Open");
      parts.forEach((part) => { part.open = open; });
      button.textContent = open ? "Close all sections" : "Open all sections";
    });
    contents.append(make("div", { className: "buttons" }, button));
    contents.addEventListener("click", (event) => {
      if (event.target.tagName === "A" && innerWidth < 992) contents.open = false;
    });
    const links = new Map(all("a", contents).map((link) => [link.hash.slice(1), link]));
    const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
      links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
    }), { rootMargin: "-10% 0px -60% 0px" });
    parts.forEach((part) => seen.observe(part));
  }

  // Sorting: by the first number of a cell, or by its text; a row of the paper's stays below the row that it belongs to.
  const value = (row, column) => {
    const text = (row.cells[column]?.firstChild?.textContent ?? row.cells[column]?.textContent ?? "").trim();
    const whole = (row.cells[column]?.textContent ?? "").trim();
    const number = parseFloat((text || whole).replace("−", "-").replace(/[(\u202f\s]/g, ""));
    return Number.isNaN(number) ? whole : number;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, "en", { numeric: true });
  };
  const sortBody = (body, column, sign) => {
    const groups = [];
    for (const row of body.rows) {
      if (row.classList.contains("group")) continue;
      if (row.classList.contains("paper") && groups.length) groups.at(-1).push(row);
      else groups.push([row]);
    }
    groups.sort((a, b) => sign * compare(value(a[0], column), value(b[0], column)));
    body.append(...groups.flat());
  };
  all("table.sortable").forEach((table) => all("thead th", table).forEach((head, column) => {
    const button = make("button", { type: "button", title: "Sort by this column" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      [...table.tBodies].forEach((body) => sortBody(body, column, up ? 1 : -1));
    });
  }));

  // Before and after: a range input moves the edge; so does a pointer on the picture.
  all("div.frame").forEach((frame) => {
    const range = make("input", { type: "range", min: 0, max: 100, value: 50, className: "slide-range" });
    range.setAttribute("aria-label", "How much of the picture before is shown, in percent");
    const set = (percent) => {
      range.value = clamp(percent, 0, 100);
      frame.style.setProperty("--cut", `${range.value}%`);
    };
    range.addEventListener("input", () => set(range.value));
    const follow = (event) => {
      const box = frame.getBoundingClientRect();
      set((100 * (event.clientX - box.left)) / box.width);
    };
    frame.addEventListener("pointerdown", (event) => {
      frame.setPointerCapture(event.pointerId);
      event.preventDefault();
      follow(event);
    });
    frame.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
    frame.classList.add("live");
    frame.after(range);
  });

  // Pictures of one patch, enlarged: zoom and position are the same in all panes.
  const viewer = document.getElementById("viewer"), unit = viewer?.dataset.unit ?? "patch";
  const view = { zoom: 1, x: 0.5, y: 0.5 };
  let cases = [], place = 0, errors = false;
  const apply = () => all(".pane img", viewer).forEach((image) => {
    const box = image.parentElement.getBoundingClientRect();
    const half = 0.5 / view.zoom;
    view.x = clamp(view.x, half, 1 - half);
    view.y = clamp(view.y, half, 1 - half);
    const edge = Math.min(box.width, box.height);
    const left = box.width / 2 + (view.x - 0.5) * edge, top = box.height / 2 + (view.y - 0.5) * edge;
    image.style.transform = `translate(${box.width / 2 - view.zoom * left}px, ${box.height / 2 - view.zoom * top}px) scale(${view.zoom})`;
    image.style.imageRendering = view.zoom > 3 ? "pixelated" : "auto";
  });
  const zoomTo = (zoom, x = view.x, y = view.y) => {
    Object.assign(view, { zoom: clamp(zoom, 1, 16), x, y });
    apply();
  };
  const pane = (figure) => {
    const images = all("img", figure), shown = errors && images[1] ? images[1] : images[0];
    const window_ = make("div", {}, make("img", { src: shown.src, alt: shown.alt, draggable: false }));
    const pointers = new Map();
    window_.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      window_.setPointerCapture(event.pointerId);
    });
    window_.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const box = window_.getBoundingClientRect(), edge = Math.min(box.width, box.height) * view.zoom;
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
        zoomTo((view.zoom * apart([event.clientX, event.clientY])) / apart(before));
      } else {
        zoomTo(view.zoom, view.x - (event.clientX - before[0]) / edge, view.y - (event.clientY - before[1]) / edge);
      }
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    ["pointerup", "pointercancel"].forEach((kind) => window_.addEventListener(kind, (event) => pointers.delete(event.pointerId)));
    window_.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoomTo(view.zoom * (event.deltaY < 0 ? 1.25 : 0.8));
    }, { passive: false });
    return make("div", { className: "pane" }, window_, make("span", { textContent: figure.querySelector("figcaption").textContent }));
  };
  const button = (text, label, act) => {
    const made = make("button", { type: "button", textContent: text, onclick: act });
    made.setAttribute("aria-label", label);
    return made;
  };
  const go = (step) => { place = (place + step + cases.length) % cases.length; fill(); };
  const fill = () => {
    const shown = cases[place];
    const bar = make("div", { className: "buttons" },
      button("Previous", `Previous ${unit}`, () => go(-1)), button("Next", `Next ${unit}`, () => go(1)),
      button("−", "Zoom out", () => zoomTo(view.zoom / 1.5)), button("+", "Zoom in", () => zoomTo(view.zoom * 1.5)),
      button("Whole", `Show the whole ${unit}`, () => zoomTo(1, 0.5, 0.5)),
      ...(unit !== "patch" ? [] : [button(errors ? "Images" : "Error maps", "Switch between images and error maps", () => { errors = !errors; fill(); })]),
      button("Close", "Close", () => viewer.close()));
    viewer.replaceChildren(
      make("h2", { textContent: `${shown.getAttribute("aria-label")} (${place + 1} of ${cases.length})` }), bar,
      make("div", { className: "panes", tabIndex: 0 }, ...all("figure", shown).map(pane)));
    apply();
  };
  const openViewer = (shown, among) => {
    [cases, place] = [among, among.indexOf(shown)];
    Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
    viewer.showModal();
    fill();
  };
  viewer?.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    if (event.key in moves) zoomTo(view.zoom, view.x + moves[event.key][0] / view.zoom, view.y + moves[event.key][1] / view.zoom);
    else if (event.key === "+" || event.key === "=") zoomTo(view.zoom * 1.5);
    else if (event.key === "-") zoomTo(view.zoom / 1.5);
    else if (event.key === "0") zoomTo(1, 0.5, 0.5);
    else if (event.key === "PageDown") go(1);
    else if (event.key === "PageUp") go(-1);
    else return;
    event.preventDefault();
  });
  if (viewer) addEventListener("resize", apply);

  // Pictures of one slide that are enlarged together.
  const groups = all(".together");
  groups.forEach((group) => {
    group.before(make("div", { className: "buttons" },
      button("Enlarge all together", `Enlarge all pictures of ${group.getAttribute("aria-label")} together`, () => openViewer(group, groups))));
    group.addEventListener("click", (event) => { if (event.target.tagName === "IMG") openViewer(group, groups); });
  });

  // A gallery shows one patch at a time, of those that the filters leave.
  const KINDS = { worst: "least gain", median: "median", sample: "one of each sample" };
  all(".gallery").forEach((gallery) => {
    const examples = all(".example", gallery);
    const choose = (label, key, label_of = (name) => name) => {
      const names = [...new Set(examples.map((example) => example.dataset[key]))];
      names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      const select = make("select", {}, make("option", { value: "", textContent: "all" }),
        ...names.map((name) => make("option", { value: name, textContent: label_of(name) })));
      select.dataset.key = key;
      return [make("label", {}, `${label} `, select), select];
    };
    const filters = [choose("Sample", "sample"), choose("|ΔD| (µm)", "size"), choose("Kind", "why", (name) => KINDS[name] ?? name)];
    const status = make("span", { className: "small" });
    status.setAttribute("role", "status");
    let left = examples, at = 0;
    const show = () => {
      examples.forEach((example) => example.classList.toggle("off", example !== left[at]));
      status.textContent = left.length ? `${at + 1} of ${left.length}` : "No patch is left by these filters.";
      enlarge.disabled = previous.disabled = next.disabled = !left.length;
    };
    const step = (by) => { at = (at + by + left.length) % left.length; show(); };
    const previous = button("Previous", "Previous patch", () => step(-1)), next = button("Next", "Next patch", () => step(1));
    const enlarge = button("Enlarge all together", "Enlarge all pictures of this patch together", () => openViewer(left[at], left));
    const filter = () => {
      left = examples.filter((example) => filters.every(([, select]) => !select.value || example.dataset[select.dataset.key] === select.value));
      at = 0;
      show();
    };
    filters.forEach(([, select]) => select.addEventListener("change", filter));
    gallery.prepend(make("div", { className: "buttons" }, previous, next, status, enlarge, ...filters.map(([label]) => label)));
    gallery.addEventListener("click", (event) => {
      if (event.target.tagName === "IMG") openViewer(event.target.closest(".example"), left);
    });
    show();
  });
})();
