// The page: takes a recording, asks the server, shows the answer. Nothing is stored in the browser either.
import { Recorder, whyNoMicrophone } from "./recorder.js";
import { showAnswer, showAbout } from "./answer.js";
import { title } from "./words.js";
import { clearPicture, drawWaveform } from "./waveform.js";

const find = (id) => document.getElementById(id);
let limits = { max_mb: Infinity, max_seconds: Infinity };
let about = [];
let asking = null; // an AbortController while the server is asked

const say = (text) => { find("status").textContent = text; };
function complain(text) {
  find("error").textContent = text;
  find("error").hidden = !text;
}

async function ask(file, name) {
  asking?.abort();
  asking = new AbortController();
  const mine = asking;
  find("answer").hidden = true;
  complain("");
  if (file.size > limits.max_mb * 1e6) {
    say("");
    complain(`${name} has ${(file.size / 1e6).toFixed(1)} MB; this server takes up to ${limits.max_mb} MB.`);
    return;
  }
  say(`Listening to ${name}…`);
  try {
    const row = await send(file, name, mine.signal);
    if (mine !== asking) return;
    say(`Answered on ${name}.`);
    await show(row, file);
  } catch (error) {
    if (error.name === "AbortError") return;
    say("");
    complain(error.message);
  }
}

async function send(file, name, signal) {
  const form = new FormData();
  form.append("file", file, name);
  const windowS = find("window").value;
  let response;
  try {
    response = await fetch("/api/predict" + (windowS ? `?timeline=${windowS}` : ""), { method: "POST", body: form, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  const row = await response.json();
  if (response.ok) return row;
  const wait = response.headers.get("Retry-After");
  throw new Error(response.status === 503 ? `The server is busy; please try again in ${wait} s.` : `Not answered. ${row.error}`);
}

async function show(row, file) {
  find("answer").hidden = false;
  showAnswer(row, about);
  const player = find("player");
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  const link = find("download");
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([JSON.stringify(row, null, 2) + "\n"], { type: "application/json" }));
  link.download = row.path.replace(/\.[^.]*$/, "") + ".profile.json";
  clearPicture();
  find("answer-title").focus();
  await drawWaveform(file, row);
}

function setUpFile() {
  const input = find("file");
  const drop = find("drop");
  input.addEventListener("change", () => {
    if (input.files.length) ask(input.files[0], input.files[0].name);
    input.value = ""; // the same file may be chosen again
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = event.dataTransfer.files;
    if (!files.length) complain("That was no file.");
    else ask(files[0], files[0].name).then(() => {
      if (files.length > 1) say(`Only the first of ${files.length} files was answered; profiling predict takes folders.`);
    });
  });
}

function setUpRecorder() {
  const button = find("record");
  const words = find("record-words");
  const level = find("level");
  const bar = level.firstElementChild;
  let recorder = null;
  async function stop() {
    const wav = await recorder.stop();
    recorder = null;
    button.classList.remove("on");
    level.classList.remove("on");
    words.textContent = "Record";
    if (wav) ask(wav, "recording.wav");
    else complain("Nothing was recorded.");
  }
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      if (recorder) { await stop(); return; }
      complain("");
      const fresh = new Recorder((loudness, seconds) => {
        bar.style.width = `${Math.min(100, 140 * Math.sqrt(loudness))}%`;
        words.textContent = `Stop (${Math.floor(seconds)} s)`;
        if (recorder && seconds >= limits.max_seconds) stop();
      });
      await fresh.start();
      recorder = fresh;
      button.classList.add("on");
      level.classList.add("on");
      words.textContent = "Stop (0 s)";
      say("Recording. Speak, then press Stop.");
    } catch (error) {
      say("");
      complain(whyNoMicrophone(error));
    } finally {
      button.disabled = false;
    }
  });
}

async function introduce() {
  try {
    const said = await (await fetch("/api/profilers")).json();
    limits = said.limits;
    about = said.profilers;
    find("limits").textContent =
      `Up to ${limits.max_mb} MB and ${limits.max_seconds} s. Nothing is kept after the answer.`;
    const backbones = [...new Set(about.map((one) => one.backbone))].join(", ");
    const tasks = new Intl.ListFormat("en").format([...new Set(about.map((one) => one.task))]);
    find("who").textContent = `${title(tasks)} of a voice, by ${backbones}`;
    showAbout(about);
  } catch {
    complain("The server does not say who answers. Is it still running?");
  }
}

setUpFile();
setUpRecorder();
introduce();
