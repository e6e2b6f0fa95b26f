"use strict";
// Filters, views and keys of the page. Everything is readable without it; state lives in the address.
(() => {
  const $ = (id) => document.getElementById(id);
  const study = $("study");
  const list = $("list");
  const cases = [...list.querySelectorAll(".case")];
  document.documentElement.classList.add("live");
  if (!cases.length) return;

  const questions = [...document.querySelectorAll("#question input")].map((one) => one.value);
  const views = { question: "all", technique: "all", layout: "over", signs: "both", opacity: "100" };
  if (questions.length) views.question = questions.includes("contrast") ? "contrast" : questions[1];
  else views.question = "only";
  const filters = {
    find: "", true: "", predicted: "", answer: "", finding: "", from: "0", to: "100", sort: "",
  };
  const defaults = { ...views, ...filters };
  let state = { ...defaults };

  // ---- Which classes can be chosen
  for (const side of ["true", "predicted"]) {
    const counts = new Map();
    for (const { dataset } of cases) {
      const [key, name] = [dataset[side], dataset[`${side}Name`]];
      counts.set(key, { name, count: (counts.get(key)?.count ?? 0) + 1 });
    }
    const sorted = [...counts].sort((a, b) => Number(a[0]) - Number(b[0]));
    for (const [key, { name, count }] of sorted) {
      $(side)?.append(new Option(`${name} (${count})`, key));
    }
  }

  // ---- Drawing the state
  const control = (key) => $(key);
  const fill = () => {
    for (const key of Object.keys(defaults)) {
      if (key === "question") {
        for (const one of document.querySelectorAll("#question input")) {
          one.checked = one.value === state.question;
        }
      } else if (control(key) && control(key).value !== state[key]) {
        control(key).value = state[key];
        if (control(key).value !== state[key]) state[key] = control(key).value = defaults[key];
      }
    }
  };
  const sheet = document.head.appendChild(document.createElement("style"));
  const draw = () => {
    for (const key of ["question", "layout", "signs"]) study.dataset[key] = state[key];
    study.style.setProperty("--strength", Number(state.opacity) / 100);
    const rules = [];
    if (state.technique !== "all") {
      rules.push(`.technique:not([data-technique="${Number(state.technique)}"]) { display: none; }`);
    }
    if (questions.includes(state.question) && state.question !== "all") {
      rules.push(`.map:not([data-question="${state.question}"]) { display: none; }`);
    }
    sheet.textContent = rules.join("\n");
  };

  const fits = ({ dataset, id }, words) =>
    (!state.true || dataset.true === state.true) &&
    (!state.predicted || dataset.predicted === state.predicted) &&
    (!state.answer || dataset.answer === state.answer) &&
    (!state.finding || dataset.findings.split(" ").includes(state.finding)) &&
    100 * Number(dataset.confidence) >= Number(state.from) &&
    100 * Number(dataset.confidence) <= Number(state.to) &&
    (!words || texts.get(id).includes(words));
  const texts = new Map(
    cases.map((one) => [
      one.id, `${one.querySelector("h3").textContent} ${one.dataset.searched}`.toLowerCase(),
    ]),
  );
  const visible = () => [...list.querySelectorAll(".case:not([hidden])")];
  let order = "";
  const filter = () => {
    const words = state.find.trim().toLowerCase();
    let count = 0;
    for (const one of cases) {
      one.hidden = !fits(one, words);
      if (!one.hidden) count += 1;
    }
    if (order !== state.sort) list.append(...sorted());
    order = state.sort;
    $("count").textContent = `${count} of ${cases.length}`;
    $("none").hidden = count > 0;
    $("clear").hidden = Object.keys(filters).every((key) => state[key] === defaults[key]);
    const active = Object.keys(filters).filter((key) => state[key] !== defaults[key]).length;
    $("active").textContent = active ? `(${active})` : "";
    for (const cell of document.querySelectorAll("[data-cell]")) {
      const chosen = state.true && cell.dataset.cell === `cell-${state.true}-${state.predicted}`;
      if (chosen) cell.setAttribute("aria-current", "true");
      else cell.removeAttribute("aria-current");
    }
  };
  const sorted = () => {
    if (!state.sort) return cases;
    const up = state.sort.startsWith("-") ? 1 : -1;
    const key = state.sort.replace("-", "");
    if (key === "id") {
      return [...cases].sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
    }
    // Those without the number come last, whichever way.
    const value = (one) => (one.dataset[key] === "" ? up * Infinity : Number(one.dataset[key]));
    return [...cases].sort((a, b) => {
      const [first, second] = [value(a), value(b)];
      return first === second ? 0 : up * (first - second);
    });
  };

  // ---- The address: only what differs from the defaults
  const address = () => {
    const said = Object.entries(state).filter(([key, value]) => value !== defaults[key]);
    return new URLSearchParams(said).toString();
  };
  const keep = () => {
    const hash = address();
    const bare = location.pathname + location.search;
    history.replaceState(null, "", hash ? `#${hash}` : bare);
  };
  const set = (changes) => {
    state = { ...state, ...changes };
    fill();
    draw();
    filter();
    keep();
  };
  const show = (one) => {
    if (one.hidden) set(filters);
    measure();
    one.focus({ preventScroll: true });
    one.scrollIntoView({ block: "start" });
  };
  const follow = () => {
    const hash = location.hash.slice(1);
    const cell = hash.match(/^cell-(\d+)-(\d+)$/);
    if (cell) {
      set({ ...filters, true: cell[1], predicted: cell[2] });
      $("cases").scrollIntoView();
    } else if (hash.includes("=")) {
      const params = Object.fromEntries(new URLSearchParams(hash));
      const said = Object.entries(params).filter(([key]) => key in defaults);
      set({ ...(params.cases ? filters : defaults), ...Object.fromEntries(said) });
      const one = params.case && $(params.case);
      if (one && cases.includes(one)) show(one);
      else if (said.some(([key]) => key in filters) || params.cases) $("cases").scrollIntoView();
    } else {
      const one = hash && cases.find(({ id }) => id === hash || encodeURIComponent(id) === hash);
      if (one) show(one);
    }
  };

  for (const key of Object.keys(defaults)) {
    control(key)?.addEventListener("input", ({ target }) => {
      set({ [key]: target.value });
    });
  }
  $("clear").addEventListener("click", () => set(filters));
  addEventListener("hashchange", follow);
  const wide = matchMedia("(min-width: 821px)");
  const unfold = () => {
    for (const one of document.querySelectorAll(".toolbar .group")) one.open = wide.matches;
  };
  wide.addEventListener("change", unfold);

  // ---- Keys
  const help = $("help");
  const next = (values, value, step) =>
    values[(values.indexOf(value) + step + values.length) % values.length];
  const values = (id) => [...$(id).options].map((one) => one.value);
  const step = (by) => {
    const shown = visible();
    if (!shown.length) return;
    const here = document.activeElement?.closest(".case:not([hidden])");
    const edge = $("toolbar").getBoundingClientRect().bottom;
    const first = shown.findIndex((one) => one.getBoundingClientRect().bottom > edge + 40);
    const place = here ? shown.indexOf(here) + by : first < 0 ? shown.length - 1 : first;
    show(shown[Math.max(0, Math.min(shown.length - 1, place))]);
  };
  const fade = (by) => $("opacity") &&
    set({ opacity: String(Math.max(0, Math.min(100, Number(state.opacity) + by))) });
  const turn = (by) => questions.length && set({ question: next(questions, state.question, by) });
  const keys = {
    j: () => step(1),
    k: () => step(-1),
    ArrowRight: () => turn(1),
    ArrowLeft: () => turn(-1),
    v: () => $("layout") && set({ layout: next(values("layout"), state.layout, 1) }),
    s: () => set({ signs: next(values("signs"), state.signs, 1) }),
    "+": () => fade(10),
    "-": () => fade(-10),
    c: () => set(filters),
    0: () => set({ technique: "all" }),
    "?": () => help.showModal(),
    "/": () => {
      $("filters").open = true;
      $("find").focus();
    },
  };
  addEventListener("keydown", (event) => {
    const busy = event.target.closest("input, select, textarea, dialog, .scroll");
    if (busy || event.ctrlKey || event.metaKey || event.altKey || !$("keys-on").checked) return;
    if (/^[1-9]$/.test(event.key)) {
      if (values("technique").includes(String(event.key - 1))) set({ technique: String(event.key - 1) });
      return;
    }
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  $("ask").addEventListener("click", () => help.showModal());

  // A case that is gone to stands below the toolbar, which is as high as its fields need.
  const measure = () => {
    study.style.setProperty("--toolbar", `${$("toolbar").offsetHeight}px`);
  };
  new ResizeObserver(measure).observe($("toolbar"));
  unfold();
  fill();
  draw();
  filter();
  follow();
})();
