// Draws /openapi.json: a section a route.
import { make } from "./answer.js";

const find = (id) => document.getElementById(id);
const schema = await (await fetch("/openapi.json")).json();

find("curl").textContent = [
  `curl -F file=@call.wav ${location.origin}/api/predict`,
  `curl --data-binary @call.wav -H "Content-Type: application/octet-stream" "${location.origin}/api/predict?timeline=2&name=call.wav"`,
].join("\n");

const table = (header, rows) => make("div", { className: "scroll", tabIndex: 0 }, make("table", {},
  make("thead", {}, make("tr", {}, ...header.map((text) => make("th", { textContent: text, scope: "col" })))),
  make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((text) => make("td", { textContent: text })))))));

function route(method, path, said) {
  const box = make("section", {}, make("h2", {}, make("code", { textContent: `${method.toUpperCase()} ${path}` })), make("p", { textContent: said.summary ?? "" }));
  if (said.description) box.append(make("p", { className: "quiet", textContent: said.description }));
  if (said.parameters) box.append(table(["parameter", "in", "type"], said.parameters.map((one) => [one.name, one.in, typeOf(one.schema)])));
  if (said.requestBody) box.append(make("p", { textContent: `Body: ${Object.keys(said.requestBody.content).join(" or ")}` }));
  box.append(table(["status", "meaning"], Object.entries(said.responses).map(([status, one]) => [status, one.description])));
  const example = said.responses["200"]?.content?.["application/json"]?.example;
  if (example) box.append(make("pre", { textContent: JSON.stringify(example, null, 2), tabIndex: 0 }));
  return box;
}

const typeOf = (one) => (one.anyOf ?? [one]).map((kind) => kind.type).join(" or ");

find("routes").replaceChildren(...Object.entries(schema.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, said]) => route(method, path, said))));
