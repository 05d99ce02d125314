import sharp from 'sharp';
import { percent, significant, whole } from '../format.ts';
import { escape, htmlPage } from '../html-page.ts';
import type { JudgedCorpus, ShownImage } from './judge-images.ts';

/** Pixels of a thumbnail's longer side. */
const THUMBNAIL = 144;

/** Keeps a number and its unit on one line. */
const UNBROKEN = '\u00a0';

const STYLE = `  body { max-width: 78rem; }
  .sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .9rem; padding: 0; margin: 1rem 0; list-style: none; }
  .sheet li { border: 1px solid #e2e6ee; border-radius: 8px; padding: .6rem; } .sheet li.wrong { border-color: #d9822b; }
  .sheet img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #f5f7fb; border-radius: 5px; }
  .sheet b { display: block; margin-top: .45rem; } .wrong em { color: #b4540a; } em { font-style: normal; }
  .sheet small { color: #5a6475; display: block; overflow-wrap: anywhere; }
  th, td { padding: .25rem .6rem; text-align: right; } th { font-weight: 600; } tbody th, thead th:first-child { text-align: left; }
  td { border: 1px solid #eef1f6; min-width: 2.2rem; } caption { text-align: left; color: #5a6475; padding-bottom: .3rem; }`;

/**
 * A page of the pictures that a model finds hardest, those with the highest scores first: likely mislabelled, odd or
 * hard ones. It loads nothing: the thumbnails lie in it.
 *
 * @returns HTML
 */
export async function contactSheet(
  title: string,
  judged: readonly JudgedCorpus[],
  classNames: readonly string[],
): Promise<string> {
  const parts = await Promise.all(judged.map((corpus) => section(corpus, classNames)));
  const main = `<h1>${escape(title)}</h1>
<p class="facts">The pictures that the model finds hardest, hardest first: mislabelled ones are likely among them.
Score: the bound of a picture's gradient, by which importance sampling draws it; 0 where the model is sure and right, at most 1.41.
Weight: what its loss is multiplied with if it is drawn so.</p>
${parts.join('\n')}`;
  return htmlPage({ title, style: STYLE, main });
}

async function section(judged: JudgedCorpus, classNames: readonly string[]): Promise<string> {
  const { name, samples, accuracy, hardest, shape } = judged;
  const images = await Promise.all(hardest.map((image) => figure(image, shape, classNames)));
  return `<section>
<h2>${escape(name)}</h2>
<p class="facts">${percent(accuracy)} of ${whole(samples)} pictures classified right.</p>
${confusionTable(judged, classNames)}
<ol class="sheet">
${images.join('\n')}
</ol>
</section>`;
}

async function figure(image: ShownImage, shape: readonly number[], classNames: readonly string[]): Promise<string> {
  const { id, label, prediction, confidence, score, weight } = image;
  const isWrong = label !== prediction;
  const sure = percent(confidence).replace(' ', UNBROKEN);
  const facts = `score${UNBROKEN}${score.toFixed(3)} · weight${UNBROKEN}${Number.isFinite(weight) ? significant(weight) : '–'}`;
  return `<li${isWrong ? ' class="wrong"' : ''}><img alt="" src="${await thumbnail(image.pixels, shape)}">
<b>${escape(nameOf(classNames, label))}</b>
<em>${isWrong ? 'taken for ' : 'known as '}${escape(nameOf(classNames, prediction))}, ${sure}</em>
<small>${facts}</small><small>${escape(id)}</small></li>`;
}

async function thumbnail(
  pixels: Uint8Array,
  [height = 1, width = 1, channels = 3]: readonly number[],
): Promise<string> {
  const raw = { width, height, channels: channels as 1 | 3 }; // what pictures have
  const jpeg = await sharp(pixels, { raw })
    .resize({ width: THUMBNAIL, height: THUMBNAIL, fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: 78 })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}

function confusionTable({ confusion }: JudgedCorpus, classNames: readonly string[]): string {
  const rows = confusion.map((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map(
      (count, prediction) => `<td style="background:${shade(count / total, label === prediction)}">${count || ''}</td>`,
    );
    return `<tr><th>${escape(nameOf(classNames, label))}</th>${cells.join('')}</tr>`;
  });
  const heads = confusion.map((_, label) => `<th>${escape(nameOf(classNames, label))}</th>`);
  return `<table><caption>Rows: the label. Columns: what the model takes it for.</caption>
<thead><tr><th></th>${heads.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

/** The darker, the more: blue where label and prediction agree, else orange. */
const shade = (share: number, isRight: boolean): string =>
  share > 0 ? `rgba(${isRight ? '66,105,208' : '217,130,43'},${(0.12 + 0.6 * share).toFixed(2)})` : 'transparent';

export const nameOf = (classNames: readonly string[], label: number): string => classNames[label] ?? `class ${label}`;
