// Everything the server says in codes, in words.

const FLAGS = {
  windowed: "Long recording: it was heard in equal windows, and their features were averaged.",
  too_short: "Shorter than a second: too little to say much about a voice.",
  low_snr: "Speech hardly stands out of the background; with few pauses this can be a false alarm.",
  clipped: "Overdriven: parts of the signal are cut off.",
  upsampled: "Recorded below 16 kHz, as over a telephone: high frequencies are missing.",
  unterminated: "The file has no proper end; what is there was heard.",
  perturbed: "The profiler was trained on altered recordings; yours went through the same steps.",
  no_speech: "No speech was found; the answer on the whole recording may mean nothing.",
  outside_training_range: "outside the range of its training data",
};
const VAD = { energy: "a rule on loudness", none: "nobody looked for speech" };

export const inWords = (flag) => FLAGS[flag] ?? flag;
export const vadInWords = (name) => VAD[name] ?? name;
export const percent = (share) => (share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`);
export const number = (value, unit) => (unit === "years" ? `${Math.round(value)}` : value.toFixed(2));
export const taskOf = (key) => key.split("@")[0];
export const title = (key) => key[0].toUpperCase() + key.slice(1);
export const clock = (s) => (s < 60 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")} min`);

// The heads of a row: fields that hold a head's answer.
export const heads = (row) =>
  Object.entries(row).filter(([key, said]) => key !== "speech" && said && typeof said === "object" && ("label" in said || "value" in said));

// A label's colour: its place in the head's own list, the same in bars and timeline.
export const colour = (labels, label) => `var(--c${Math.max(0, labels.indexOf(label)) % 8})`;
