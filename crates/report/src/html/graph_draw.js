// Draws the graph: blocks in the layers that the layout gave them, folded or open. Text goes in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 190, ROW = 24, HEAD = 16, FOLDED = 34, LAYER_GAP = 34;

function element(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  parent.appendChild(made);
  return made;
}

function shorten(text, length) {
  return text.length > length ? text.slice(0, length - 1) + "…" : text;
}

class GraphDrawing {
  constructor(canvas, data) {
    this.canvas = canvas;
    this.data = data;
    this.blockOf = new Array(data.ops.length);
    data.blocks.forEach((block, index) => block.ops.forEach((op) => { this.blockOf[op] = index; }));
    this.folded = new Set();
    this.hits = new Set();
    this.selected = null;
    if (data.ops.length > 150) {
      data.blocks.forEach((block, index) => {
        if (block.ops.length > 1 && !block.ops.some((op) => data.ops[op].culprit)) this.folded.add(index);
      });
    }
  }

  height(index) {
    const count = this.data.blocks[index].ops.length;
    if (count === 1) return ROW;
    return this.folded.has(index) ? FOLDED : HEAD + ROW * count;
  }

  // Tops of the layers follow from the tallest block of each.
  place() {
    const tallest = [];
    this.data.blocks.forEach((block, index) => {
      tallest[block.layer] = Math.max(tallest[block.layer] || 0, this.height(index));
    });
    const tops = [];
    let top = 0;
    for (let layer = 0; layer < tallest.length; layer++) {
      tops[layer] = top;
      top += (tallest[layer] || 0) + LAYER_GAP;
    }
    let right = WIDTH;
    this.spots = this.data.blocks.map((block, index) => {
      right = Math.max(right, block.x + WIDTH);
      return { x: block.x, y: tops[block.layer], h: this.height(index) };
    });
    this.size = { w: right, h: Math.max(top, ROW) };
  }

  draw() {
    this.place();
    this.rects = new Map();
    this.canvas.replaceChildren();
    const edges = element(this.canvas, "g", {});
    const boxes = element(this.canvas, "g", {});
    this.drawEdges(edges);
    this.data.blocks.forEach((block, index) => this.drawBlock(boxes, block, index));
    this.mark();
  }

  drawEdges(parent) {
    const drawn = new Map();
    for (const tensor of this.data.tensors) {
      if (tensor.producer === null || tensor.weight) continue;
      const from = this.blockOf[tensor.producer];
      for (const consumer of tensor.consumers) {
        const to = this.blockOf[consumer];
        if (from === to || from === undefined || to === undefined) continue;
        const key = from + ">" + to;
        const crosses = tensor.boundary && this.data.ops[consumer].cluster !== this.data.ops[tensor.producer].cluster;
        const edge = drawn.get(key) || { from, to, crosses: false, names: [] };
        edge.crosses = edge.crosses || crosses;
        if (!edge.names.includes(tensor.name)) edge.names.push(tensor.name);
        drawn.set(key, edge);
      }
    }
    for (const { from, to, crosses, names } of drawn.values()) {
      const a = this.spots[from], b = this.spots[to];
      const x1 = a.x + WIDTH / 2, y1 = a.y + a.h, x2 = b.x + WIDTH / 2, y2 = b.y, bend = Math.min(60, (y2 - y1) / 2);
      const d = `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
      const path = element(parent, "path", { class: crosses ? "edge cross" : "edge", d });
      element(path, "title", {}, names.join("\n") + (crosses ? "\ncrosses between NPU and CPU" : ""));
    }
  }

  fill(op) {
    if (op.culprit) return "culprit";
    return op.cluster === null ? "p" : "c" + (op.cluster % 8);
  }

  drawBlock(parent, block, index) {
    const { x, y } = this.spots[index];
    const ops = block.ops.map((op) => this.data.ops[op]);
    if (ops.length > 1 && this.folded.has(index)) {
      const culprits = ops.filter((op) => op.culprit).length;
      const kind = culprits ? "culprit" : this.fill(ops[0]);
      const rect = element(parent, "rect", { x, y, width: WIDTH, height: FOLDED, rx: 6, class: kind, "data-block": index });
      element(rect, "title", {}, ops.map((op) => op.type).join(" → "));
      const types = ops[0].type + " … " + ops[ops.length - 1].type;
      element(parent, "text", { x: x + 8, y: y + 14 }, shorten(types, 30));
      element(parent, "text", { x: x + 8, y: y + 28 }, "▸ " + ops.length + " ops" + (culprits ? ", ✕ " + culprits : ""));
      block.ops.forEach((op) => this.rects.set(op, rect));
      return;
    }
    let top = y;
    if (ops.length > 1) {
      element(parent, "rect", { x, y, width: WIDTH, height: HEAD, class: "head", "data-block": index });
      element(parent, "text", { x: x + 8, y: y + 12, class: "head" }, "▾ " + ops.length + " ops");
      top += HEAD;
    }
    block.ops.forEach((op) => {
      const kind = this.fill(this.data.ops[op]);
      const rect = element(parent, "rect", { x, y: top, width: WIDTH, height: ROW, rx: 3, class: kind, "data-op": op });
      element(rect, "title", {}, this.describe(op).join("\n"));
      const label = (this.data.ops[op].culprit ? "✕ " : "") + this.data.ops[op].type;
      element(parent, "text", { x: x + 8, y: top + 16 }, shorten(label, 26));
      element(parent, "text", { x: x + WIDTH - 6, y: top + 16, "text-anchor": "end" }, op);
      this.rects.set(op, rect);
      top += ROW;
    });
  }

  tensorText(index) {
    const tensor = this.data.tensors[index];
    const parts = [tensor.name];
    if (tensor.dims.length) parts.push("[" + tensor.dims.join(", ") + "]");
    if (tensor.scale !== null) parts.push("scale " + tensor.scale.toPrecision(4));
    if (tensor.weight) parts.push("weight");
    if (tensor.boundary) parts.push("crosses between NPU and CPU");
    return parts.join("  ");
  }

  describe(index) {
    const op = this.data.ops[index];
    const place = op.culprit ? "stays on the CPU (culprit)" : op.cluster === null ? "CPU" : "NPU, cluster " + op.cluster;
    return [op.type + ", op " + index + ": " + place]
      .concat(op.inputs.map((tensor) => "reads " + this.tensorText(tensor)))
      .concat(op.outputs.map((tensor) => "writes " + this.tensorText(tensor)))
      .concat(op.notes)
      .concat(op.risks.map((risk) => "known: " + risk));
  }

  mark() {
    for (const [op, rect] of this.rects) {
      rect.classList.toggle("hit", this.hits.has(op) || (rect.dataset.block !== undefined
        && this.data.blocks[rect.dataset.block].ops.some((member) => this.hits.has(member))));
      rect.classList.toggle("selected", op === this.selected);
    }
  }
}
