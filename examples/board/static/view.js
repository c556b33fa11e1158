// The page: what the tables hold, drawn. Elements are kept and moved, never drawn anew, so that focus and
// half-written text survive what other people do.

import { face, hueOf } from "./faces.js";

const CONNECTION = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" };
const TOAST_TIME = 7000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const one = (selector, root = document) => root.querySelector(selector);

export class View {
  #elements = new Map(); // table → id → element
  #lists;
  #cards;
  #notes;
  #act;
  #dragged = null;
  #rendering = false;
  #dialogList = null;

  /** @param act what the user can do: functions that return a promise */
  constructor(lists, cards, notes, act) {
    this.#lists = lists;
    this.#cards = cards;
    this.#notes = notes;
    this.#act = act;
    for (const table of [lists, cards, notes]) this.#elements.set(table, new Map());
    one("#new-list").addEventListener("click", () => this.#openDialog(null));
    onAdd(one("#add-note"), (text) => this.#attempt(act.addNote(text)));
    this.#prepareDialog();
  }

  // Drawing

  render() {
    const focused = document.activeElement;
    const places = this.#places();
    this.#rendering = true;
    const inOrder = [...this.#lists.rows.values()].sort((a, b) => a.id - b.id);
    const columns = inOrder.map((list) => this.#element(this.#lists, list.id, () => this.#makeList(list.id)));
    arrange(one("#lists"), columns);
    inOrder.forEach((list, index) => this.#drawList(columns[index], list, inOrder, index));
    const notes = [...this.#notes.rows.values()].sort((a, b) => b.id - a.id);
    arrange(one("#notes"), notes.map((note) => this.#drawNote(note)));
    for (const [table, elements] of this.#elements) {
      for (const id of elements.keys()) if (!table.rows.has(id)) elements.delete(id);
    }
    this.#rendering = false;
    keepFocus(focused);
    this.#glide(places);
  }

  #element(table, id, make) {
    const elements = this.#elements.get(table);
    if (!elements.has(id)) elements.set(id, make());
    return elements.get(id);
  }

  #drawList(element, list, inOrder, index) {
    const cards = this.#cardsOf(list.id);
    const isFull = list.card_limit !== null && cards.length >= list.card_limit;
    write(one("h2", element), list.title);
    write(one(".count", element), list.card_limit === null ? cards.length : `${cards.length} / ${list.card_limit}`);
    one(".count", element).classList.toggle("full", isFull);
    one(".count", element).title = isFull ? "This list is full" : "";
    element.ariaLabel = list.title;
    one("[data-do=edit]", element).ariaLabel = `Edit list ${list.title}`;
    one(".add input", element).ariaLabel = `New card in ${list.title}`;
    one(".add button", element).ariaLabel = `Add card to ${list.title}`;
    const neighbours = { left: inOrder[index - 1], right: inOrder[index + 1] };
    arrange(
      one(".cards", element),
      cards.map((card, place) => this.#drawCard(card, place, cards.length, neighbours)),
    );
  }

  #drawCard(card, place, count, { left, right }) {
    const element = this.#element(this.#cards, card.id, () => this.#makeCard(card.id));
    const name = `“${card.title}”`;
    write(one(".title", element), card.title);
    write(one(".by", element), card.touched_by);
    face(one(".face", element), card.touched_by);
    const labels = {
      left: left && `Move ${name} to ${left.title}`,
      right: right && `Move ${name} to ${right.title}`,
      up: place > 0 && `Move ${name} up`,
      down: place < count - 1 && `Move ${name} down`,
      rename: `Rename ${name}`,
      delete: `Delete ${name}`,
    };
    for (const [what, label] of Object.entries(labels)) {
      const button = one(`[data-do=${what}]`, element);
      button.disabled = !label;
      button.ariaLabel = button.title = label || `Move ${name} ${what}`;
    }
    return element;
  }

  #drawNote(note) {
    const element = this.#element(this.#notes, note.id, () => {
      const made = copyOf("note");
      one("button", made).addEventListener("click", () => this.#attempt(this.#act.deleteNote(note.id)));
      return made;
    });
    write(one("p", element), note.text);
    one("button", element).ariaLabel = `Delete note “${note.text}”`;
    return element;
  }

  #cardsOf(listId) {
    const cards = [...this.#cards.rows.values()].filter((card) => card.list_id === listId);
    return cards.sort((a, b) => a.position - b.position || a.id - b.id);
  }

  // Elements

  #makeList(id) {
    const element = copyOf("list");
    element.style.setProperty("--hue", (250 + (id - 1) * 137.5) % 360);
    one("[data-do=edit]", element).addEventListener("click", () => this.#openDialog(id));
    onAdd(one(".add", element), (title) => this.#attempt(this.#act.addCard(id, title)));
    element.addEventListener("dragover", (event) => {
      if (this.#dragged === null) return;
      event.preventDefault();
      this.#showGap(element, this.#cardBelow(element, event.clientY));
    });
    element.addEventListener("dragleave", (event) => {
      if (!element.contains(event.relatedTarget)) hideGap();
    });
    element.addEventListener("drop", (event) => {
      if (this.#dragged === null) return;
      event.preventDefault();
      const below = this.#cardBelow(element, event.clientY);
      const card = this.#elements.get(this.#cards).get(this.#dragged);
      if (!card || (element.contains(card) && card.nextElementSibling === below)) return; // where it was
      this.#attempt(this.#act.moveCard(this.#dragged, id, below && Number(below.dataset.id)));
    });
    return element;
  }

  #makeCard(id) {
    const element = copyOf("card");
    element.dataset.id = id;
    element.addEventListener("click", (event) => this.#press(id, event.target.closest("button")?.dataset.do));
    one(".title", element).addEventListener("dblclick", () => this.#rename(id));
    element.addEventListener("dragstart", (event) => {
      this.#dragged = id;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", one(".title", element).textContent);
      element.classList.add("dragged");
    });
    element.addEventListener("dragend", () => {
      this.#dragged = null;
      element.classList.remove("dragged");
      hideGap();
    });
    return element;
  }

  #press(id, what) {
    if (what === "rename") this.#rename(id);
    else if (what === "delete") this.#delete(id);
    else if (what) this.#move(id, what);
  }

  async #delete(id) {
    const card = this.#elements.get(this.#cards).get(id);
    const list = card.closest(".list");
    const neighbour = card.nextElementSibling ?? card.previousElementSibling;
    const hadFocus = card.contains(document.activeElement);
    if (!(await this.#attempt(this.#act.deleteCard(id))) || !hadFocus) return;
    const target = neighbour?.isConnected ? one("[data-do=delete]", neighbour) : one(".add input", list);
    target.focus();
  }

  #move(id, direction) {
    const { list_id } = this.#cards.rows.get(id);
    const cards = this.#cardsOf(list_id);
    const place = cards.findIndex((card) => card.id === id);
    if (direction === "up") return this.#attempt(this.#act.moveCard(id, list_id, cards[place - 1].id));
    if (direction === "down") return this.#attempt(this.#act.moveCard(id, list_id, cards[place + 2]?.id));
    const lists = [...this.#lists.rows.keys()].sort((a, b) => a - b);
    return this.#attempt(this.#act.moveCard(id, lists[lists.indexOf(list_id) + (direction === "left" ? -1 : 1)]));
  }

  #rename(id) {
    const element = this.#elements.get(this.#cards).get(id);
    const title = one(".title", element);
    if (title.hidden) return;
    const { title: before } = this.#cards.rows.get(id);
    const field = document.createElement("textarea");
    field.value = before;
    field.maxLength = one(".add input").maxLength;
    field.ariaLabel = `New title of “${before}”`;
    title.hidden = true;
    title.before(field);
    element.draggable = false; // or the mouse could not select text
    field.focus();
    field.select();

    let isDone = false;
    const finish = async (save) => {
      if (isDone) return;
      isDone = true;
      const wanted = field.value.trim();
      field.remove();
      title.hidden = false;
      element.draggable = true;
      if (save && wanted && wanted !== before) await this.#attempt(this.#act.renameCard(id, wanted));
    };
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      finish(event.key === "Enter").then(() => one("[data-do=rename]", element).focus());
    });
    field.addEventListener("blur", () => {
      if (!this.#rendering && field.isConnected) finish(true);
    });
  }

  // Dragging

  #cardBelow(list, y) {
    const others = [...list.querySelectorAll(".card")].filter((card) => Number(card.dataset.id) !== this.#dragged);
    return others.find((card) => y < middle(card)) ?? null;
  }

  #showGap(list, below) {
    hideGap();
    (below ?? one(".cards", list)).classList.add(below ? "gap-above" : "gap-below");
  }

  // The dialog for lists

  #prepareDialog() {
    const dialog = one("#list-dialog");
    const form = one("form", dialog);
    const attempt = async (promise) => {
      const problem = one(".problem", dialog);
      try {
        await promise;
        dialog.close();
      } catch (error) {
        problem.textContent = error.message; // in here: the dialog covers the toasts
        problem.hidden = false;
      }
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { title, card_limit } = form.elements;
      const values = { title: title.value, card_limit: card_limit.value === "" ? null : card_limit.valueAsNumber };
      const id = this.#dialogList;
      attempt(id === null ? this.#act.addList(values) : this.#act.changeList(id, values));
    });
    one("[data-do=cancel]", dialog).addEventListener("click", () => dialog.close());
    one("[data-do=delete]", dialog).addEventListener("click", () => attempt(this.#act.deleteList(this.#dialogList)));
  }

  #openDialog(id) {
    const dialog = one("#list-dialog");
    const list = this.#lists.rows.get(id);
    const { title, card_limit } = one("form", dialog).elements;
    this.#dialogList = id;
    title.value = list?.title ?? "";
    card_limit.value = list?.card_limit ?? "";
    one("h2", dialog).textContent = list ? "Edit list" : "New list";
    one("[data-do=delete]", dialog).hidden = !list;
    one(".problem", dialog).hidden = true;
    dialog.showModal();
    title.focus();
  }

  // Telling

  showConnection(state) {
    const element = one("#connection");
    element.dataset.state = state;
    write(element, CONNECTION[state]);
  }

  /** Let a row that somebody else changed light up, and say it to those who do not see it. */
  tellChange(table, id, before) {
    const row = table.rows.get(id);
    this.highlight(table, id);
    if (table !== this.#cards) return;
    const list = row && this.#lists.rows.get(row.list_id)?.title;
    one("#news").textContent = !row
      ? `“${before.title}” was deleted`
      : !before
        ? `${row.touched_by} added “${row.title}” to ${list}`
        : before.list_id !== row.list_id
          ? `${row.touched_by} moved “${row.title}” to ${list}`
          : `${row.touched_by} changed “${row.title}”`;
  }

  highlight(table, id) {
    const element = this.#elements.get(table).get(id);
    if (!element) return;
    const by = table.rows.get(id).touched_by;
    if (by) element.style.setProperty("--hue", hueOf(by));
    element.classList.remove("changed");
    element.getBoundingClientRect(); // makes the browser notice, so that the animation starts anew
    element.classList.add("changed");
  }

  toast(text) {
    const element = document.createElement("p");
    element.className = "toast";
    element.textContent = text;
    one("#toasts").replaceChildren(element);
    setTimeout(() => element.remove(), TOAST_TIME);
  }

  async #attempt(promise) {
    try {
      await promise;
      return true;
    } catch (error) {
      this.toast(error.message);
      return false;
    }
  }

  // Motion

  #places() {
    const cards = [...this.#elements.get(this.#cards).values()];
    return new Map(cards.map((card) => [card, card.getBoundingClientRect()]));
  }

  /** Let cards glide from where they were to where they are. */
  #glide(places) {
    if (calm.matches) return;
    for (const card of this.#elements.get(this.#cards).values()) {
      const from = places.get(card);
      const to = card.getBoundingClientRect();
      const x = from ? from.x - to.x : 0;
      const y = from ? from.y - to.y : 0;
      const timing = { duration: 260, easing: "cubic-bezier(.2, .8, .2, 1)" };
      if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], timing);
      else if (!from && places.size) card.animate([{ opacity: 0, transform: "scale(.96)" }, {}], timing);
    }
  }
}

function copyOf(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

function write(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/** Give a parent these children in this order, and move as few of them as is simple. */
function arrange(parent, wanted) {
  const stays = new Set(wanted);
  for (const child of [...parent.children]) if (!stays.has(child)) child.remove();
  wanted.forEach((child, index) => {
    const here = parent.children[index];
    if (here === child) return;
    if (here?.nextElementSibling === child) parent.append(here); // it goes down: let the others stay
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/** An element that is moved loses the focus, and so does a button with which there is no further to go. */
function keepFocus(element) {
  if (!element?.isConnected || (element === document.activeElement && !element.disabled)) return;
  const target = element.disabled ? one("button:enabled", element.parentElement) : element;
  target?.focus({ preventScroll: true });
}

/** Add what a form's only field says, and empty the field unless that fails. */
function onAdd(form, add) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = one("input", form);
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    if (!(await add(text)) && field.value === "") field.value = text;
  });
}

function hideGap() {
  for (const element of document.querySelectorAll(".gap-above, .gap-below")) {
    element.classList.remove("gap-above", "gap-below");
  }
}

function middle(element) {
  const { top, height } = element.getBoundingClientRect();
  return top + height / 2;
}
