// What happens in this window: its own requests, what the hub tells, and catching up after a break.

import { follow } from "./live.js";
import { Table } from "./table.js";
import { View } from "./view.js";

const { user, api, hub, notesTopic, signIn } = document.body.dataset;
const RETRY_PAUSE = 2000;

const lists = new Table();
const cards = new Table();
const notes = new Table();
const tables = { "/list": lists, "/card": cards, [notesTopic]: notes };

const view = new View(lists, cards, notes, {
  addList: (values) => change("/list", "POST", "/lists", values),
  changeList: (id, values) => change("/list", "PATCH", `/lists/${id}`, values),
  deleteList: (id) => change("/list", "DELETE", `/lists/${id}`),
  addCard: (list_id, title) => change("/card", "POST", "/cards", { list_id, title }),
  renameCard: (id, title) => change("/card", "PATCH", `/cards/${id}`, { title }),
  moveCard: (id, list_id, before) => change("/card", "PATCH", `/cards/${id}`, { list_id, before }),
  deleteCard: (id) => change("/card", "DELETE", `/cards/${id}`),
  addNote: (text) => change(notesTopic, "POST", "/notes", { text }),
  deleteNote: (id) => change(notesTopic, "DELETE", `/notes/${id}`),
});

// All windows of a browser share the cookies: where one becomes somebody else, the others do, too.

localStorage.setItem("board-user", user);
addEventListener("storage", ({ key, newValue }) => {
  if (key === "board-user" && newValue !== user) location.reload();
});

// Updates

let held = null; // what arrives while the state is on its way, and must be applied after it
let sending = 0;

function take(topic, update, isMine) {
  if (held) {
    held.push([topic, update, isMine]);
    return;
  }
  if (update.event !== "delete" && !update.data) {
    catchUp(); // an update with the identity alone: look for yourself
    return;
  }
  const table = tables[topic];
  const before = table.rows.get(update.id);
  if (!table.take(update)) return;
  view.render();
  if (!isMine) view.tellChange(table, update.id, before);
}

function fromHub(topic, update) {
  const isMine = sending > 0 && (update.data?.touched_by ?? user) === user;
  take(topic, update, isMine);
}

// This window's own changes. The answer is applied like an update, so they show even while the stream is
// broken; the update that follows says nothing new then.

async function change(topic, method, path, body = {}) {
  sending += 1;
  try {
    const row = await request(method, path, body);
    take(topic, { event: method === "DELETE" ? "delete" : "update", id: row.id, data: row }, true);
  } finally {
    sending -= 1;
  }
}

async function request(method, path, body) {
  let answer;
  let content;
  try {
    answer = await fetch(api + path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    content = await answer.json();
  } catch {
    throw new Error("The server cannot be reached. Please try again in a moment.");
  }
  if (answer.status === 401) location.assign(signIn);
  if (!answer.ok) throw new Error(content.error ?? "That did not work. Please try again.");
  return content;
}

// Catching up. The hub's own history ends with its process, so whenever the stream opens, the window looks
// at the whole state once: what was missed is in there, and what comes later comes through the stream.

let isOpen = false;
let isFirst = true;
let turn = Promise.resolve();

function catchUp() {
  turn = turn.then(fetchState); // one after the other, and each starts after whatever asked for it
}

async function fetchState() {
  held = [];
  try {
    const state = await request("GET", "/board");
    if (state.user !== user) return location.reload();
    const changed = Object.entries({ lists, cards, notes }).flatMap(([name, table]) =>
      table.takeAll(state[name]).map((id) => [table, id]),
    );
    view.render();
    if (!isFirst) changed.forEach(([table, id]) => view.highlight(table, id));
    isFirst = false;
    view.showConnection(isOpen ? "live" : "reconnecting");
  } catch {
    if (isOpen) setTimeout(catchUp, RETRY_PAUSE); // otherwise it is tried when the stream opens
  } finally {
    const late = held;
    held = null;
    for (const [topic, update, isMine] of late) take(topic, update, isMine);
  }
}

follow(hub, Object.keys(tables), {
  update: fromHub,
  open() {
    isOpen = true;
    catchUp();
  },
  lost() {
    isOpen = false;
    view.showConnection("reconnecting");
  },
});
catchUp();
