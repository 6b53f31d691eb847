"use strict";
(() => {
  const words = JSON.parse(document.getElementById("words").textContent);
  const make = (tag, fields, ...inside) => {
    const made = Object.assign(document.createElement(tag), fields);
    made.append(...inside);
    return made;
  };

  // Whatever a link, a permalink or the printer wants to show is unfolded first.
  const reveal = () => {
    const goal = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!goal) return;
    for (let one = goal; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    goal.scrollIntoView();
  };
  const folded = () => [...document.querySelectorAll("main details:not(.chip)")];
  addEventListener("hashchange", reveal);
  // The event of unfolding comes too late for the printer, so sheets are laid out at once.
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
    sheets().forEach(layOut);
  });

  const all = make("button", { type: "button", className: "all" }, words.open_all);
  all.onclick = () => {
    const wanted = folded().some((one) => !one.open);
    folded().forEach((one) => { one.open = wanted; });
  };
  if (folded().length) document.querySelector("main").insertBefore(all, document.querySelector("main > details"));

  const parse = (text) => {
    const rows = text.trimEnd().split("\n").map((line) => line.split("\t"));
    // A ditto mark stands for the cell above.
    rows.forEach((row, at) => row.forEach((cell, column) => { if (cell === "〃") row[column] = rows[at - 1][column]; }));
    return rows;
  };

  // Long names may end a line at their joints.
  const breakable = (text) => (/\S{9}/.test(text)
    ? text.split(/(?<=\w[_/])(?=\S)|(?<=[A-Za-z][.:=,@])(?=\S)|(?<=[.:=,@])(?=[A-Za-z+])|(?<=\w)(?=\([a-z])/)
      .flatMap((part) => part.replace(/\S{40,}/g, (name) => name.replace(/.{6}(?=.)/gu, "$&\n")).split("\n")).flatMap((part, at) => (at ? [make("wbr"), part] : [part]))
    : [text]);
  // The bounds of a number stand below it.
  const numbered = (text) => {
    const [, value, bounds] = text.match(/^(\S.*) (\(.*\))$/) || [];
    return value ? [value, make("small", {}, bounds)] : [text];
  };

  // A sheet is laid out when somebody opens it; until then it is text.
  const layOut = (sheet) => {
    const [heads, ...rows] = parse(sheet.textContent);
    const numeric = new Set(sheet.dataset.numeric.split(" ").filter(Boolean).map(Number));
    const side = (at) => (numeric.has(at) ? "number" : "");
    const table = make("table", { className: "data laid" });
    if (sheet.dataset.groups) table.dataset.groups = sheet.dataset.groups;
    table.append(
      make("caption", {}, sheet.getAttribute("aria-label")),
      make("thead", {}, make("tr", {}, ...heads.map((text, at) => make("th", { scope: "col", className: side(at) }, text)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text, at) =>
        make(at ? "td" : "th", { className: side(at), ...(at ? {} : { scope: "row" }) }, ...(numeric.has(at) ? numbered(text) : breakable(text))))))),
    );
    const region = make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: sheet.getAttribute("aria-label") }, table);
    sheet.replaceWith(region);
    equip(table);
  };

  const text = (cell) => [...cell.childNodes].filter((one) => one.className !== "permalink")
    .map((one) => (one.nodeName === "SMALL" ? ` ${one.textContent}` : one.textContent)).join("").replace(/\s+/g, " ").trim();
  const shown = (table) => [table.tHead.rows[0], ...[...table.tBodies[0].rows].filter((row) => !row.hidden)]
    .map((row) => [...row.cells].map(text));
  // A spreadsheet would compute a cell that begins like a formula, whoever named it; numbers with a unit stay as they are.
  const inert = (one) => (/^[=+@-]/.test(one) && !/^[+-][\d.,]+\s?[a-zµ%×/]*$/i.test(one) ? `'${one}` : one);
  const quoted = (one) => (/[",\n]/.test(one) ? `"${one.replaceAll('"', '""')}"` : one);
  const asCsv = (rows) => rows.map((row) => row.map((one) => quoted(inert(one))).join(",")).join("\n");
  const asMarkdown = ([heads, ...rows]) => [heads, heads.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((one) => one.replace(/[\\|<`]/g, "\\$&")).join(" | ")} |`).join("\n");
  const copy = (button, told) => {
    const area = make("textarea", { value: told });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    const before = button.textContent;
    button.textContent = words.copied;
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  const number = (cell) => {
    if (cell.dataset.value) return Number(cell.dataset.value);
    const found = text(cell).replaceAll(",", "").replace("−", "-").match(/^-?[\d.]+/);
    return found ? Number(found[0]) : NaN;
  };
  const sortable = (table) => [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.onclick = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      [...table.tHead.rows[0].cells].forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (one, other) => {
        const [a, b] = [number(one.cells[at]), number(other.cells[at])];
        if (isNaN(a) && isNaN(b)) return text(one.cells[at]).localeCompare(text(other.cells[at]));
        return isNaN(a) ? 1 : isNaN(b) ? -1 : a - b;
      };
      const rows = [...table.tBodies[0].rows].sort((one, other) => (up ? order(one, other) : order(other, one)));
      table.tBodies[0].append(...rows);
    };
  });

  // The ratio to another runner is the quotient of two ratios to the base; it has no interval.
  const against = (table, base) => {
    table.querySelectorAll(".against").forEach((one) => one.remove());
    if (!base) return;
    const rows = [...table.tBodies[0].rows];
    const part = (row) => row.dataset.key.split("|");
    const cost = new Map(rows.map((row) => [part(row).slice(0, 3).join("|"), Number(row.cells[4].dataset.value)]));
    table.tHead.rows[0].append(make("th", { scope: "col", role: "columnheader", className: "number against" }, words.against.replace("{base}", base)));
    rows.forEach((row) => {
      const [work, , metric] = part(row);
      const value = Number(row.cells[4].dataset.value) / cost.get(`${work}|${base}|${metric}`);
      row.append(make("td", { role: "cell", className: "number against" }, isFinite(value) ? `≈ ${value.toPrecision(3)}×` : "–"));
    });
  };

  const choice = (label, values, act) => {
    const select = make("select", { ariaLabel: label }, make("option", { value: "" }, label), ...values.map((one) => make("option", { value: one }, one)));
    select.onchange = act;
    return select;
  };
  const equip = (table) => {
    sortable(table);
    const rows = [...table.tBodies[0].rows];
    const bar = make("div", { className: "bar" });
    const search = make("input", { type: "search", placeholder: words.filter, ariaLabel: words.filter });
    const count = make("span", { className: "muted", role: "status" });
    const kinds = ["worse", "better", "same", "undecided"];
    const judged = (row) => [...row.cells].reverse().find((cell) => kinds.some((kind) => cell.classList.contains(kind)));
    const verdictOf = (row) => kinds.find((kind) => judged(row)?.classList.contains(kind));
    const spoken = new Map(rows.filter(verdictOf).map((row) => [verdictOf(row), text(judged(row)).split(/[(:;]/)[0]]));
    const who = [...table.tHead.rows[0].cells].findIndex((head) => text(head) === words.column);
    const runners = who < 0 ? [] : [...new Set(rows.map((row) => text(row.cells[who])))];
    const narrow = () => {
      rows.forEach((row) => {
        const told = [...row.cells].map(text).join(" ").toLowerCase();
        row.hidden = (family.value && !inFamily(row, family.value)) || !search.value.toLowerCase().split(/\s+/).every((one) => told.includes(one)) ||
          (runner.value && text(row.cells[who]) !== runner.value) || (verdict.value && verdictOf(row) !== verdict.value);
      });
      const left = rows.filter((row) => !row.hidden).length;
      count.textContent = left === rows.length ? "" : words.rows.replace("{n}", left).replace("{total}", rows.length);
    };
    const families = JSON.parse(table.dataset.groups || "[]");
    const inFamily = (row, name) => families.some(([one, names]) => one === name && names.some((work) =>
      text(row.cells[0]) === work || text(row.cells[0]).startsWith(`${work} `)));
    const family = choice(words.family, families.map(([name]) => name), narrow);
    const runner = choice(words.runner, runners, narrow);
    const verdict = make("select", { ariaLabel: words.verdict }, make("option", { value: "" }, words.verdict),
      ...kinds.filter((kind) => spoken.has(kind)).map((kind) => make("option", { value: kind }, words[kind] || kind)));
    verdict.onchange = narrow;
    search.oninput = narrow;
    bar.append(search);
    if (families.length > 1) bar.append(family);
    if (runners.length > 1 && runners.length < 60 && !table.classList.contains("runs")) bar.append(runner);
    if (spoken.size > 1) bar.append(verdict);
    if (table.closest("#overhead") && rows[0] && rows[0].dataset.key) {
      bar.append(choice(words.baseline, runners, (event) => against(table, event.target.value)));
    }
    for (const [name, write] of [["markdown", asMarkdown], ["csv", asCsv]]) {
      const button = make("button", { type: "button" }, words[name]);
      button.onclick = () => copy(button, write(shown(table)));
      bar.append(button);
    }
    bar.append(count);
    table.closest(".scroll").before(bar);
    rows.filter((row) => row.id).forEach((row) => {
      const link = make("a", { className: "permalink", href: `#${row.id}`, ariaLabel: `# ${[...row.cells].slice(0, 2).map(text).join(" ")}` }, "#");
      row.cells[0].insertBefore(link, row.cells[0].querySelector("small"));
    });
  };
  const sheets = () => document.querySelectorAll("pre.sheet");
  const hook = (sheet) => {
    const details = sheet.closest("details");
    if (details.open) layOut(sheet);
    else details.addEventListener("toggle", () => sheet.isConnected && layOut(sheet), { once: true });
  };
  sheets().forEach(hook);
  // Very large tables and figures are unpacked at once, so that they can be searched and printed like all others.
  document.querySelectorAll("script.packed").forEach(async (one) => {
    const bytes = Uint8Array.from(atob(one.textContent), (letter) => letter.charCodeAt(0));
    const lines = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    one.insertAdjacentHTML("beforebegin", await new Response(lines).text());
    if (one.previousElementSibling.matches("pre.sheet")) hook(one.previousElementSibling);
    one.remove();
  });
  document.querySelectorAll("table.data:not(.laid)").forEach((table) => { if (table.rows.length > 5) equip(table); });

  // Two ticked runs give the command that compares them, the older one first, by when they were measured.
  document.querySelectorAll("table.runs").forEach((table) => {
    const told = make("span", {}, words.tick);
    const button = make("button", { type: "button", hidden: true }, words.compare);
    button.onclick = () => copy(button, told.textContent);
    table.closest(".scroll").before(make("div", { className: "bar", role: "status" }, button, told));
    const picked = new Set();
    const rows = [...table.tBodies[0].rows];
    const age = (row) => `${text(row.cells[1])} ${row.dataset.key}`;
    const older = (one, other) => (age(one) < age(other) ? -1 : 1);
    rows.forEach((row) => {
      const box = make("input", { type: "checkbox", ariaLabel: row.dataset.key });
      box.onchange = () => {
        picked[box.checked ? "add" : "delete"](row.dataset.key);
        button.hidden = picked.size !== 2;
        const command = `tare compare ${rows.filter((one) => picked.has(one.dataset.key)).sort(older).map((one) => one.dataset.key).join(" ")} --html comparison.html`;
        told.replaceChildren(picked.size === 2 ? make("code", {}, command) : words.tick);
      };
      if (!row.querySelector("td.problem")) row.cells[0].prepend(box);
    });
  });

  document.querySelectorAll(".charts").forEach((box) => {
    const charts = [...box.children];
    if (charts.length < 4) return;
    // Points say run and commit of every run: only what is written out is searched.
    const told = (one) => [...one.querySelectorAll("figcaption, p")].map((part) => part.textContent).join(" ").toLowerCase();
    const search = make("input", { type: "search", size: 34, placeholder: words.charts, ariaLabel: words.charts });
    search.oninput = () => charts.forEach((one) => {
      one.hidden = !search.value.toLowerCase().split(/\s+/).every((word) => told(one).includes(word));
    });
    box.before(make("div", { className: "bar" }, search));
  });

  // The point nearest to the pointer says what it is, and a click opens its report: points are small, above all for fingers.
  document.querySelectorAll(".chart svg").forEach((svg) => {
    const told = make("output", {});
    svg.after(told);
    let near;
    svg.onpointermove = svg.onpointerdown = (event) => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      const far = (dot) => Math.hypot(dot.cx.baseVal.value - (event.clientX - box.left) * scale,
        (dot.cy.baseVal.value - (event.clientY - box.top) * scale) / 3);
      if (near) near.classList.remove("near");
      near = [...svg.querySelectorAll("circle")].reduce((one, other) => (far(other) < far(one) ? other : one));
      near.classList.add("near");
      told.textContent = near.textContent;
    };
    svg.onclick = (event) => {
      const link = near && near.closest("a");
      if (link && !event.target.closest("a")) location.href = link.getAttribute("href");
    };
  });
  reveal();
})();
