/** Text as HTML shows it. */
export const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

export interface HtmlPage {
  /** Shown by the browser; plain text. */
  readonly title: string;
  /** CSS of this kind of page, beside what all have. @default '' */
  readonly style?: string;
  /** What the page shows, as HTML. */
  readonly main: string;
  /** Run on the page, for one that changes. @default '' */
  readonly script?: string;
}

/** What all pages look alike in. */
const COMMON = `
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c2330; background: #fff; }
  h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } .facts { color: #5a6475; margin: .2rem 0 1rem; }
  table { border-collapse: collapse; } figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
  .curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }`;

/** A page of its own: nothing to load. */
export const htmlPage = ({ title, style = '', main, script = '' }: HtmlPage): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(title)}</title>
<style>${COMMON}
${style}
</style>
<main>
${main}
</main>
${script && `<script>${script}</script>\n`}</html>
`;

/** A row of a table, of texts. */
export const tableRow = (cells: readonly string[], tag: 'td' | 'th'): string =>
  `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
