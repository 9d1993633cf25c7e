// Wires the page up: graph, copy, filter, theme.
const byId = (id) => document.getElementById(id);
const on = (id, event, act) => { const found = byId(id); if (found) found.addEventListener(event, act); };

const graphData = byId("graphdata");
if (graphData) {
  const view = new GraphView(byId("canvas"), byId("detail"), JSON.parse(graphData.textContent));
  on("zoomin", "click", () => view.zoom(1.25));
  on("zoomout", "click", () => view.zoom(0.8));
  on("fit", "click", () => view.fit());
  on("fold", "click", () => view.foldAll(true));
  on("unfold", "click", () => view.foldAll(false));
  on("find", "input", () => {
    const count = view.search(byId("find").value);
    byId("found").textContent = byId("find").value.trim() ? count + " found" : "";
    if (count) byId("found").textContent = view.next() + " of " + count;
  });
  on("find", "keydown", (event) => {
    if (event.key !== "Enter" || !view.found || !view.found.length) return;
    byId("found").textContent = view.next() + " of " + view.found.length;
  });
}

on("copy", "click", async () => {
  const button = byId("copy"), pre = byId("answer");
  try {
    await navigator.clipboard.writeText(pre.textContent);
  } catch {
    // No clipboard here, as in a page of an unsafe origin: select, and let the browser copy the selection.
    getSelection().selectAllChildren(pre);
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

on("opfilter", "input", () => {
  const wanted = byId("opfilter").value.trim().toLowerCase();
  for (const row of byId("oprows").rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});

const dark = () => (document.documentElement.dataset.theme
  || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { byId("theme").textContent = dark() ? "Light" : "Dark"; };
on("theme", "click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  nameTheme();
});
nameTheme();
