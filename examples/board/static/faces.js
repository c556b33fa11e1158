// A person's initial and colour, the same in every window because both come from the name alone.

const HUES = [265, 350, 160, 45, 225, 310, 195, 20]; // far enough apart to tell people by them

export function hueOf(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 17 + character.codePointAt(0)) % 99991;
  return HUES[sum % HUES.length];
}

export function face(element, name) {
  element.dataset.name = name;
  element.textContent = [...name][0].toUpperCase();
  element.style.setProperty("--hue", hueOf(name));
}

for (const element of document.querySelectorAll(".face[data-name]")) face(element, element.dataset.name);
