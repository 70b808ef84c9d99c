// A film's parts: from the file that the page is, else from the program that the page came from. `src/shell/film.rs` binds it.

/** What base64 in an element of the page holds. */
const held = (element) => Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));

/** Whether the page has its film in itself. */
export const hasFilm = () => Boolean(document.getElementById("film-film"));

/** A part by its name. */
export async function part(name, token) {
  const element = document.getElementById(`film-${name}`);
  if (element) return held(element);
  const answer = await fetch(`/film/${name}`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw answer.status;
  return new Uint8Array(await answer.arrayBuffer());
}
