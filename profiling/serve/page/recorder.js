// Records the microphone as it is (no echo cancelling, no gain control) into a 16-bit WAV file.

export class Recorder {
  // heard(loudness 0..1, seconds) is called about ten times a second.
  constructor(heard) {
    this.heard = heard;
    this.pieces = [];
    this.samples = 0;
  }

  async start() {
    if (!navigator.mediaDevices) throw new DOMException("no secure context", "SecurityError");
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("/page/capture-worklet.js");
    const source = this.context.createMediaStreamSource(this.stream);
    this.node = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.node.port.onmessage = (event) => this.add(event.data);
    source.connect(this.node);
    await this.context.resume();
  }

  add(piece) {
    this.pieces.push(piece);
    this.samples += piece.length;
    let power = 0;
    for (const sample of piece) power += sample * sample;
    this.heard(Math.sqrt(power / piece.length), this.samples / this.context.sampleRate);
  }

  // The recording as a Blob; null if nothing came.
  async stop() {
    this.stream.getTracks().forEach((track) => track.stop());
    const rate = this.context.sampleRate;
    await this.context.close();
    return this.samples ? wav(this.pieces, this.samples, rate) : null;
  }
}

function wav(pieces, samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples));
  const text = (at, word) => [...word].forEach((sign, i) => view.setUint8(at + i, sign.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples, true);
  let at = 44;
  for (const piece of pieces) {
    for (const sample of piece) {
      view.setInt16(at, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

export function whyNoMicrophone(error) {
  switch (error.name) {
    case "NotAllowedError": return "The browser does not allow this page the microphone. Allow it in the address bar, or choose a file.";
    case "NotFoundError": return "No microphone was found. Plug one in, or choose a file.";
    case "NotReadableError": return "The microphone is in use by another program.";
    case "SecurityError": return "Browsers record over https or on localhost only. Choose a file instead.";
    default: return `The microphone cannot be used: ${error.message}`;
  }
}
