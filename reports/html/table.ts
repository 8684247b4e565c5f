/** Tables of figures: what a row is of stays in sight while the rest is scrolled sideways. */
import { type Html, type HtmlValue, html } from './html.ts';

export interface Column<T> {
  readonly head: string;
  readonly cell: (of: T) => HtmlValue;
  /** Stands above it and above its neighbours that have the same. */
  readonly above?: string;
  /** `number`: aligned to the right. `words`: has room for sentences. Default a word or two in one line. */
  readonly kind?: 'number' | 'words';
}

export interface FiguresTable<T> {
  /** Says what the table is about to those who do not see it. */
  readonly label: string;
  /** The first one is what a row is of. */
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  /** Rows of one word stand together below it. Default no groups. */
  readonly groupOf?: (of: T) => string;
}

export function renderTable<T>({ label, columns, rows, groupOf }: FiguresTable<T>): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="figures">
<thead>${renderHead(columns)}</thead>
${
  groupOf === undefined
    ? html`<tbody>${rows.map((row) => renderRow(columns, row))}</tbody>`
    : [...new Set(rows.map(groupOf))].map(
        (
          group,
        ) => html`<tbody><tr class="group"><th scope="rowgroup" colspan="${columns.length}"><span>${group}</span></th></tr>
${rows.filter((row) => groupOf(row) === group).map((row) => renderRow(columns, row))}</tbody>`,
      )
}
</table></div>`;
}

function renderHead<T>(columns: readonly Column<T>[]): Html {
  if (columns.every(({ above }) => above === undefined)) {
    return html`<tr>${columns.map((column) => headOf(column))}</tr>`;
  }
  const upper = columns.map((column, at) => {
    const { above } = column;
    if (above === undefined) return headOf(column, true);
    if (columns[at - 1]?.above === above) return html``;
    const next = columns.findIndex((other, place) => place > at && other.above !== above);
    const span = (next === -1 ? columns.length : next) - at;
    return html`<th scope="colgroup" colspan="${span}" class="above">${above}</th>`;
  });
  const lower = columns.filter(({ above }) => above !== undefined).map((column) => headOf(column));
  return html`<tr>${upper}</tr><tr>${lower}</tr>`;
}

function headOf<T>({ head, kind }: Column<T>, isTall = false): Html {
  return html`<th scope="col"${isTall && html` rowspan="2"`}${classOf(kind)}>${head}</th>`;
}

function renderRow<T>(columns: readonly Column<T>[], row: T): Html {
  return html`<tr>${columns.map(({ cell, kind }, place) =>
    place === 0 ? html`<th scope="row">${cell(row)}</th>` : html`<td${classOf(kind)}>${cell(row)}</td>`,
  )}</tr>
`;
}

function classOf(kind: Column<never>['kind']): Html | false {
  if (kind === undefined) return false;
  return kind === 'number' ? html` class="number"` : html` class="wide"`;
}
