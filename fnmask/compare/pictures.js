// Two views of one image, one over the other; the upper one is cut where the slider stands.
(() => {
  const stored = document.getElementById("pictures");
  if (!stored) return;
  const {images} = JSON.parse(stored.textContent);
  const field = (name) => document.getElementById("picture-" + name);
  const plain = images[0].variants[0].name;
  const views = {image: "image", label: "label", plain: "prediction of " + plain, variant: "prediction of the variant"};

  function fill(select, pairs, chosen) {
    select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value, false, value === chosen)));
  }
  fill(field("image"), images.map((one, index) => [String(index), one.id]), "0");
  fill(field("variant"), images[0].variants.slice(1).map((one, index) => [String(index + 1), one.name]), "1");
  fill(field("left"), Object.entries(views), "plain");
  fill(field("right"), Object.entries(views), "variant");

  function picture(source, text, className) {
    const image = new Image();
    Object.assign(image, {src: source, alt: text, className});
    return image;
  }
  function pane(view, image, variant) {
    const own = view === "plain" ? image.variants[0] : variant;
    const source = view in image ? image[view] : own.prediction;
    const name = view in image ? view : "prediction of " + own.name;
    const parts = [picture(source, `${image.id}: ${name}`, "")];
    if (view === "variant" && own.letOff && field("marked").checked) {
      parts.push(picture(own.letOff, "pixels that are let off", "marks"));
    }
    const held = document.createElement("div");
    held.className = "pane";
    held.append(...parts);
    return held;
  }
  function cut() {
    const place = field("place").value;
    field("stage").style.setProperty("--place", place + "%");
    field("place").setAttribute("aria-valuetext", `${place} % ${field("left").selectedOptions[0].text}`);
  }
  function show() {
    const image = images[field("image").value], variant = image.variants[field("variant").value];
    const left = pane(field("left").value, image, variant), right = pane(field("right").value, image, variant);
    left.classList.add("left");
    const line = document.createElement("div");
    line.className = "cut";
    field("stage").replaceChildren(right, left, line);
    field("told").textContent =
      `${image.id}: ${plain} ${image.variants[0].told}; ${variant.name} ${variant.told}.`;
    cut();
  }
  // For paper: every image in a row, with the variant that is chosen.
  function lay() {
    const number = field("variant").value;
    field("strips").replaceChildren(...images.map((image) => {
      const row = document.createElement("div");
      const told = document.createElement("p");
      told.textContent = `${image.id}: image, label, ${plain} (${image.variants[0].told}), ` +
        `${image.variants[number].name} (${image.variants[number].told})`;
      row.append(...Object.keys(views).map((view) => pane(view, image, image.variants[number])), told);
      return row;
    }));
  }
  for (const name of ["image", "variant", "left", "right", "marked"]) field(name).onchange = show;
  field("place").oninput = cut;
  window.addEventListener("beforeprint", lay);
  window.addEventListener("afterprint", () => field("strips").replaceChildren());
  show();
})();
