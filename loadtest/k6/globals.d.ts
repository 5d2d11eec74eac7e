/** k6 has a console, which its types leave to the DOM's; the DOM's other names would only mislead here. */
declare const console: { error(line: string): void };
