// The page: one EventSource, a reader that opens what comes over it, and a form.

import { Reader } from "./reader.js";

const { hub, keys } = document.body.dataset;
const reader = new Reader(keys);

async function start() {
  // Elsewhere a browser has no cryptography for scripts.
  if (!isSecureContext) throw new Error("The letters need https, or a server on this machine");
  await reader.fetchKeys();
  const source = new EventSource(hub);
  source.onopen = () => connection("Live");
  source.onerror = () => connection(source.readyState === EventSource.CLOSED ? "Lost: reload" : "Reconnecting");
  // Opening takes a moment; in a queue the letters stay in their order.
  let queue = Promise.resolve();
  source.onmessage = (event) => {
    queue = queue.then(() => show(event.data));
  };
}

async function show(message) {
  const item = document.querySelector("#letter").content.cloneNode(true);
  const line = item.querySelector("p");
  try {
    const { from, text } = await reader.read(message);
    line.textContent = `${from}: ${text}`;
  } catch (error) {
    line.textContent = `A letter is not shown: ${error.message}`;
    line.className = "problem";
  }
  item.querySelector("code").textContent = message;
  document.querySelector("#letters").prepend(item);
}

async function post(url, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
  const problem = answer?.ok ? "" : `That did not work (${answer?.status ?? "no answer"}).`;
  document.querySelector("#problem").textContent = problem;
  return !problem;
}

function connection(state) {
  document.querySelector("#connection").textContent = state;
}

document.querySelector("#send").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const { to, text } = form.elements;
  if (await post(form.action, { to: to.value, text: text.value })) text.value = "";
});

document.querySelector("#change-key").addEventListener("click", () => post(keys, {}));

start().catch((error) => connection(error.message));
