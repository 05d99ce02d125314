import assert from 'node:assert/strict';
import { parseHTML } from 'linkedom';
import { escape, htmlPage } from '../../src/report/html-page.ts';

interface Parsed {
  querySelector(selector: string): { readonly textContent: string } | null;
  querySelectorAll(selector: string): { readonly length: number };
}

describe('htmlPage', () => {
  it('shows a title as text, styles after the common ones, and what it is given', () => {
    const text = htmlPage({ title: 'a < b & "c"', style: 'h1 { color: red }', main: '<h1 id="it">x</h1>' });
    const { document } = parseHTML(text) as unknown as { document: Parsed }; // linkedom's own DOM, without the browser's types
    assert.equal(document.querySelector('title')?.textContent, 'a < b & "c"');
    assert.equal(document.querySelector('main > #it')?.textContent, 'x');
    assert.match(text, /body \{[^]*h1 \{ color: red \}\s*<\/style>/);
    assert.equal(document.querySelector('script'), null);
    assert.equal(document.querySelectorAll('link, script[src], img').length, 0);
  });

  it('runs a script behind the page', () => {
    const text = htmlPage({ title: 't', main: 'm', script: 'go()' });
    assert.match(text, /<\/main>\n<script>go\(\)<\/script>\n<\/html>\n$/);
  });
});

describe('escape', () => {
  it('leaves nothing that ends an attribute or opens a tag', () => {
    assert.equal(escape(`<b a="1">&amp;</b>`), '&lt;b a=&quot;1&quot;&gt;&amp;amp;&lt;/b&gt;');
  });
});
