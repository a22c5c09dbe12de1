// The waveform, and under it one lane per head with its answers over time.
import { make } from "./answer.js";
import { clock, colour, heads, number, percent, title } from "./words.js";

const LONGEST_DRAWN_S = 1200; // a browser decodes into memory
const find = (id) => document.getElementById(id);

export function clearPicture() {
  const canvas = find("wave");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  find("picture").hidden = true;
}

export async function drawWaveform(file, row) {
  let drawn = false;
  if (row.duration_s <= LONGEST_DRAWN_S) {
    const samples = await decoded(file);
    drawn = samples !== null;
    find("picture").hidden = false;
    if (drawn) draw(samples);
  }
  find("wave").hidden = !drawn;
  find("picture").hidden = !(drawn || row.timeline?.length);
  find("lanes").replaceChildren(...lanes(row));
  const words = drawn ? "Waveform" : "This browser cannot draw this format; the answer is not affected";
  find("picture-words").textContent = row.timeline?.length ? `${words}; below it the answers on windows of speech.` : `${words}.`;
}

async function decoded(file) {
  const context = new OfflineAudioContext(1, 1, 16000);
  try {
    return (await context.decodeAudioData(await file.arrayBuffer())).getChannelData(0);
  } catch {
    return null;
  }
}

function draw(samples) {
  const canvas = find("wave");
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--wave");
  const peaks = peaksOf(samples, canvas.width);
  const loudest = Math.max(1e-3, ...peaks.map(([low, high]) => Math.max(-low, high)));
  const middle = canvas.height / 2;
  peaks.forEach(([low, high], x) => {
    const top = middle - (high / loudest) * middle;
    const bottom = middle - (low / loudest) * middle;
    pen.fillRect(x, top, 1, Math.max(1, bottom - top));
  });
}

function peaksOf(samples, columns) {
  const peaks = [];
  for (let x = 0; x < columns; x++) {
    const from = Math.floor((x * samples.length) / columns);
    const to = Math.max(from + 1, Math.floor(((x + 1) * samples.length) / columns));
    let low = 0;
    let high = 0;
    for (let i = from; i < to && i < samples.length; i++) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    peaks.push([low, high]);
  }
  return peaks;
}

function lanes(row) {
  if (!row.timeline?.length) return [];
  return heads(row).flatMap(([key, said]) => {
    const labels = "value" in said ? null : Object.keys(said.probabilities);
    const lane = make("div", { className: "lane" }, ...row.timeline.map((one) => piece(one, one[key], labels, row.duration_s)));
    lane.setAttribute("aria-hidden", "true"); // the table below says the same
    return [make("div", { className: "lane-name", textContent: title(key) }), lane];
  });
}

function piece(one, said, labels, durationS) {
  const words = labels ? said.label : number(said.value, said.unit);
  const sure = labels ? `, ${percent(said.probabilities[said.label])}` : ` ${said.unit}`;
  const box = make("span", { textContent: words, title: `${clock(one.start_s)} to ${clock(one.end_s)}: ${words}${sure}` });
  box.style.left = `${(100 * one.start_s) / durationS}%`;
  box.style.width = `${(100 * (one.end_s - one.start_s)) / durationS}%`;
  box.style.background = labels ? colour(labels, said.label) : "var(--c7)";
  return box;
}
