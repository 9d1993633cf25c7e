// Moves about in the graph: pan, zoom, select, search, fold; by mouse, touch and keyboard.
class GraphView {
  constructor(canvas, detail, data) {
    this.canvas = canvas;
    this.detail = detail;
    this.drawing = new GraphDrawing(canvas, data);
    this.pointers = new Map();
    this.drawing.draw();
    this.home();
    this.listen();
  }

  get box() { return this.canvas.getBoundingClientRect(); }

  show() {
    const { x, y, k } = this.view, { width, height } = this.box;
    this.canvas.setAttribute("viewBox", `${x} ${y} ${width / k} ${height / k}`);
  }

  fit() {
    const { w, h } = this.drawing.size, { width, height } = this.box;
    const k = Math.min((width - 20) / w, (height - 20) / h, 1.5);
    this.view = { k, x: (w - width / k) / 2, y: (h - height / k) / 2 };
    this.show();
  }

  // The first look: all where that can be read, else a culprit or the top.
  home() {
    this.fit();
    if (this.view.k >= 0.6) return;
    const culprit = this.drawing.data.ops.findIndex((op) => op.culprit);
    this.view.k = 0.8;
    this.center(Math.max(culprit, 0));
  }

  center(op) {
    const spot = this.drawing.spots[this.drawing.blockOf[op]], rect = this.drawing.rects.get(op), { width, height } = this.box;
    this.view.x = spot.x + WIDTH / 2 - width / this.view.k / 2;
    this.view.y = Number(rect.getAttribute("y")) + ROW / 2 - height / this.view.k / 2;
    this.show();
  }

  zoom(factor, px, py) {
    const { width, height } = this.box, old = this.view.k;
    const at = { x: px === undefined ? width / 2 : px, y: py === undefined ? height / 2 : py };
    this.view.k = Math.min(4, Math.max(0.02, old * factor));
    this.view.x += at.x / old - at.x / this.view.k;
    this.view.y += at.y / old - at.y / this.view.k;
    this.show();
  }

  pan(dx, dy) {
    this.view.x -= dx / this.view.k;
    this.view.y -= dy / this.view.k;
    this.show();
  }

  select(op) {
    this.drawing.selected = op;
    const block = this.drawing.blockOf[op];
    if (this.drawing.folded.delete(block)) this.drawing.draw();
    this.drawing.mark();
    if (this.view.k < 0.5) this.view.k = 0.8;
    this.center(op);
    const list = document.createElement("ul");
    const [title, ...lines] = this.drawing.describe(op);
    const name = document.createElement("b");
    name.textContent = title;
    for (const line of lines) {
      const item = document.createElement("li");
      item.textContent = line;
      list.appendChild(item);
    }
    this.detail.replaceChildren(name, list);
  }

  fold(block, folded) {
    if (this.drawing.data.blocks[block].ops.length < 2) return;
    this.drawing.folded[folded ? "add" : "delete"](block);
    this.drawing.draw();
    this.show();
  }

  foldAll(folded) {
    this.drawing.folded.clear();
    if (folded) this.drawing.data.blocks.forEach((block, index) => { if (block.ops.length > 1) this.drawing.folded.add(index); });
    this.drawing.draw();
    this.fit();
  }

  step(by) {
    const count = this.drawing.data.ops.length, now = this.drawing.selected;
    this.select(now === null ? (by > 0 ? 0 : count - 1) : (now + by + count) % count);
  }

  // Ops whose type, or a tensor that they read or write, holds the text.
  search(text) {
    const data = this.drawing.data, wanted = text.trim().toLowerCase();
    const holds = (op) => op.type.toLowerCase().includes(wanted)
      || op.inputs.concat(op.outputs).some((tensor) => data.tensors[tensor].name.toLowerCase().includes(wanted));
    this.found = wanted ? data.ops.map((op, index) => (holds(op) ? index : -1)).filter((index) => index >= 0) : [];
    this.drawing.hits = new Set(this.found);
    this.at = -1;
    this.drawing.mark();
    return this.found.length;
  }

  next() {
    if (!this.found || !this.found.length) return 0;
    this.at = (this.at + 1) % this.found.length;
    this.select(this.found[this.at]);
    return this.at + 1;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const acts = { "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), 0: () => this.fit(),
      n: () => this.step(1), p: () => this.step(-1), Enter: () => this.toggle() };
    if (moves[event.key]) this.pan(...moves[event.key]);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  }

  toggle() {
    if (this.drawing.selected === null) return;
    const block = this.drawing.blockOf[this.drawing.selected];
    this.fold(block, !this.drawing.folded.has(block));
  }

  listen() {
    const canvas = this.canvas, pointers = this.pointers;
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // let the page scroll
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.15 : 0.87, event.clientX - this.box.left, event.clientY - this.box.top);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      this.moved = pointers.size > 1;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = { x: event.clientX, y: event.clientY };
      if (!this.moved && Math.hypot(now.x - before.x, now.y - before.y) < 4) return;
      this.moved = true;
      const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, spot]) => spot);
      if (others.length) {
        const gap = (spot) => Math.hypot(spot.x - others[0].x, spot.y - others[0].y) || 1;
        this.zoom(gap(now) / gap(before), others[0].x - this.box.left, others[0].y - this.box.top);
      } else {
        this.pan(now.x - before.x, now.y - before.y);
      }
      pointers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    canvas.addEventListener("click", (event) => {
      const { op, block } = event.target.dataset;
      if (this.moved) return;
      if (op !== undefined) this.select(Number(op));
      else if (block !== undefined) this.fold(Number(block), !this.drawing.folded.has(Number(block)));
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("resize", () => this.show());
    window.addEventListener("beforeprint", () => this.fit());
  }
}
