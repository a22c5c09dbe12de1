// The answer in words and bars.
import { clock, colour, heads, inWords, number, percent, taskOf, title, vadInWords } from "./words.js";

const AGE_SCALE = 100; // years shown
const find = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function showAnswer(row, about) {
  find("answer-title").textContent = row.path;
  const channels = row.channels === 1 ? "mono" : `${row.channels} channels`;
  const facts = [clock(row.duration_s), `${row.sample_rate_hz / 1000} kHz`, channels];
  if (row.snr_db !== undefined) facts.push(`speech ${Math.round(row.snr_db)} dB above the background`);
  if (row.vad) facts.push(`${clock(row.speech_s)} of speech, found by ${vadInWords(row.vad)}`);
  find("facts").textContent = facts.join(" · ");
  find("flags").replaceChildren(...row.flags.map((flag) => make("li", { textContent: inWords(flag) })));
  find("cards").replaceChildren(...heads(row).map(([key, said]) => card(key, said, about)));
  windowTable(row);
}

function card(key, said, about) {
  const one = about.find((other) => other.profiler === said.profiler) ?? {};
  const box = make("article", { className: "card" }, make("h3", { textContent: title(key) }));
  box.append(...("value" in said ? numberParts(said, one) : classParts(key, said, one)));
  if (one.backbone_training === "untrained") {
    box.append(make("p", { className: "warn", textContent: "Untrained backbone: this says nothing about people." }));
  }
  for (const flag of said.flags ?? []) box.append(make("p", { className: "warn", textContent: `This is ${inWords(flag)}.` }));
  box.append(make("p", { className: "quiet", textContent: `by ${said.backbone}, bundle ${said.profiler}` }));
  return box;
}

function numberParts(said, one) {
  const value = make("p", { className: "value", textContent: number(said.value, said.unit) });
  value.append(make("small", { textContent: ` ${said.unit}` }));
  const most = said.unit === "years" ? AGE_SCALE : 1;
  const place = (x) => `${Math.max(0, Math.min(100, (100 * x) / most))}%`;
  const scale = make("div", { className: "scale" });
  scale.setAttribute("aria-hidden", "true");
  const parts = [value];
  if (said.interval) {
    const { low, high, coverage } = said.interval;
    const range = make("i");
    range.style.left = place(low);
    range.style.width = `calc(${place(high)} - ${place(low)})`;
    scale.append(range);
    parts.push(make("p", { textContent: `between ${number(Math.max(0, low), said.unit)} and ${number(high, said.unit)}: this range holds ${percent(coverage)} of new speakers like those of training, and usually fewer elsewhere` }));
  } else {
    parts.push(make("p", { className: "quiet", textContent: `no interval: ${one.no_interval_because ?? "the bundle brings none"}` }));
  }
  const mark = make("b");
  mark.style.left = place(said.value);
  scale.append(mark);
  const ends = make("div", { className: "ends" }, make("span", { textContent: "0" }), make("span", { textContent: `${most}` }));
  ends.setAttribute("aria-hidden", "true");
  return [...parts, scale, ends];
}

function classParts(key, said, one) {
  const labels = one.labels ?? Object.keys(said.probabilities);
  const ranked = Object.entries(said.probabilities).sort((a, b) => b[1] - a[1]);
  const bars = ranked.map(([label, share]) => {
    const fill = make("i");
    fill.style.width = `${100 * share}%`;
    fill.style.background = colour(labels, label);
    const bar = make("span", { className: "bar" }, fill);
    bar.setAttribute("aria-hidden", "true");
    const line = make("li", { className: label === said.label ? "first" : "" });
    line.append(make("span", { textContent: label }), bar, make("span", { className: "share", textContent: percent(share) }));
    return line;
  });
  const parts = [make("ul", { className: "bars" }, ...bars)];
  if (said.label_set?.length) {
    parts.push(make("p", { textContent: `Not ruled out (${percent(one.coverage ?? 0.9)} of new speakers like those of training): ${said.label_set.join(", ")}` }));
  }
  const scaled = said.calibrated ? "calibrated" : "not calibrated: read them as a ranking";
  parts.push(make("p", { className: "quiet", textContent: `probabilities are ${scaled}` }));
  return parts;
}

function windowTable(row) {
  find("windows").hidden = !row.timeline?.length;
  if (!row.timeline?.length) return;
  const names = heads(row).map(([key]) => key);
  const header = make("tr", {}, ...["from", "to", ...names].map((name) => {
    const cell = make("th", { textContent: name });
    cell.scope = "col";
    return cell;
  }));
  const lines = row.timeline.map((one) => make("tr", {}, ...[
    clock(one.start_s), clock(one.end_s), ...names.map((name) => inCell(one[name])),
  ].map((text) => make("td", { textContent: text }))));
  find("window-table").replaceChildren(make("thead", {}, header), make("tbody", {}, ...lines));
}

const inCell = (said) =>
  "value" in said ? `${number(said.value, said.unit)} ${said.unit}` : `${said.label} ${percent(said.probabilities[said.label])}`;

export function showAbout(profilers) {
  find("about").replaceChildren(...profilers.flatMap((one) => {
    const rows = [
      ["Task", one.kind === "regression" ? `${one.task}, in ${one.unit}` : `${one.task}: ${one.labels.join(", ")}`],
      ["Not for", one.not_for],
      ["Backbone", `${one.backbone}: ${one.backbone_note}`],
      ["Training corpora", one.trained_on.join("; ") || "not recorded"],
      ["Licences", one.licences.join("; ") || "none named"],
      ["Bundle", one.profiler],
    ];
    const list = make("dl", {}, ...rows.flatMap(([name, text]) => [make("dt", { textContent: name }), make("dd", { textContent: text })]));
    return [make("h3", { textContent: title(taskOf(one.task)) }), list];
  }));
}
