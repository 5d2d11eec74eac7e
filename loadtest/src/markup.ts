/** HTML as text, for pages that may load nothing. Pure. */
type Attributes = Readonly<Record<string, string | number>>;

/** Text as it may stand between tags or in an attribute. */
export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** An element; its children are markup already. */
export function tag(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  const open = `<${name}${written.join("")}`;
  return children.length === 0 ? `${open}/>` : `${open}>${children.join("")}</${name}>`;
}

/** A row of a table: the first cells are headings, as many as told. */
export function row(headings: number, cells: readonly string[]): string {
  return tag("tr", {}, ...cells.map((cell, index) => tag(index < headings ? "th" : "td", {}, escaped(cell))));
}

export function htmlPage(title: string, style: string, body: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
${body.join("\n")}
</body>
</html>
`;
}
