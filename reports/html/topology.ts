/** The clusters of a gate, each as a picture with figures on its links, and the links as a table. */
import { formatBytes, formatNumber, plural, UNKNOWN } from '../format.ts';
import type { ClusterFigures, ClusterLink, ClusterNodeFigures } from '../results-clusters.ts';
import { type Html, html } from './html.ts';
import { LABELS, layOut, lineY, NODE_WIDTH, type PlacedLink, type PlacedNode } from './topology-layout.ts';

export function renderClusters(clusters: readonly ClusterFigures[]): Html {
  if (clusters.length === 0) return html``;
  return html`<section aria-labelledby="clusters">
<h2 id="clusters">Clusters</h2>
<p>Media goes from left to right. In front of a node, on each of its links: connections that taps counted in all (open / all while some are open), and bytes both ways. A dash: nobody counts there.</p>
${clusters.map((cluster, index) => renderCluster(cluster, index + 1, clusters.length === 1))}
</section>`;
}

function renderCluster(cluster: ClusterFigures, number: number, open: boolean): Html {
  const { topology, engine, title, links, clusters = 1 } = cluster;
  const taps = links.flatMap((link) => link.taps);
  const passed = taps.reduce((sum, { bytesUp, bytesDown }) => sum + bytesUp + bytesDown, 0);
  return html`<details class="cluster" id="cluster-${number}"${open && html` open`}>
<summary><span class="what"><span class="title">${topology} <span class="engine">${engine}</span></span>
<span class="where"><span>${title}</span>${clusters > 1 && html`<span>${plural(clusters, 'cluster')} together</span>`}<span>${taps.length === 0 ? 'nothing counted on links' : `${formatBytes(passed)} on ${plural(taps.length, 'tap')}`}</span></span></span></summary>
<div class="scroll" tabindex="0" role="region" aria-label="${`Picture of ${topology} of ${engine}`}">${picture(cluster)}</div>
<details class="data"><summary>The links as a table</summary>${linkTable(cluster)}</details>
</details>`;
}

function picture(cluster: ClusterFigures): Html {
  const { width, height, nodes, links } = layOut(cluster);
  const what = `${plural(cluster.nodes.length, 'node')} and ${plural(cluster.links.length, 'link')}. The figures are in the table below.`;
  return html`<svg class="topology" width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}" role="img" aria-label="${`${cluster.title}: ${what}`}">
${links.map(drawLink)}
${nodes.map(drawNode)}
</svg>`;
}

function drawLink({ link, start, end, round: isRound }: PlacedLink): Html {
  const [x1, y1, x2, y2] = [start.x, start.y, end.x, end.y].map(round) as [number, number, number, number];
  const bend = isRound ? -22 : Math.max(24, (x2 - x1) / 2);
  const curve = isRound
    ? `M${x1} ${y1}C${round(end.x + bend)} ${y1} ${round(end.x + bend)} ${y2} ${x2} ${y2}`
    : `M${x1} ${y1}C${round(x1 + bend)} ${y1} ${round(x2 - bend)} ${y2} ${x2} ${y2}`;
  const kind = link.media ? (passedOn(link) ? 'media busy' : 'media') : 'other';
  return html`<g class="link ${kind}"><title>${tellLink(link)}</title><path d="${curve}H${round(x2 + LABELS)}"/><text x="${round(x2 + LABELS - 6)}" y="${y2 - 3}">${labelOf(link)}</text></g>`;
}

function drawNode(placed: PlacedNode): Html {
  const { node, x, y, height } = placed;
  const lines: [string, string][] = [
    ['name', node.name],
    ['soft', node.state === 'ready' ? `${node.role} · ${node.engine}` : `${node.role} · ${node.state}`],
    ['soft', processOf(node)],
    ...(node.publish.length > 0
      ? ([['soft', `publish ${node.publish.join(' ')}`]] as [string, string][])
      : []),
    ...(node.play.length > 0 ? ([['soft', `play ${node.play.join(' ')}`]] as [string, string][]) : []),
  ];
  return html`<g class="node ${node.state}"><title>${tellNode(node)}</title><rect x="${round(x)}" y="${round(y)}" width="${NODE_WIDTH}" height="${round(height)}" rx="9"/>${lines.map(
    ([kind, text], line) =>
      html`<text class="${kind}" x="${round(x + 10)}" y="${round(lineY(placed, line))}">${text}</text>`,
  )}</g>`;
}

function processOf({ cpuSeconds, rssMb }: ClusterNodeFigures): string {
  if (cpuSeconds === null || rssMb === null) return `CPU ${UNKNOWN}`;
  return `CPU ${formatNumber(cpuSeconds)} s · ${formatNumber(Math.round(rssMb))} MB`;
}

function totalsOf({ taps }: ClusterLink) {
  const total = (of: (tap: ClusterLink['taps'][number]) => number) =>
    taps.reduce((sum, tap) => sum + of(tap), 0);
  return {
    open: total((tap) => tap.open),
    connections: total((tap) => tap.connections),
    bytes: total((tap) => tap.bytesUp + tap.bytesDown),
  };
}

function passedOn(link: ClusterLink): boolean {
  return totalsOf(link).bytes > 0;
}

function labelOf(link: ClusterLink): string {
  if (link.taps.length === 0) return UNKNOWN;
  const { open, connections, bytes } = totalsOf(link);
  const count = open > 0 ? `${formatNumber(open)}/${formatNumber(connections)}` : formatNumber(connections);
  return `${count} · ${formatBytes(bytes)}`;
}

function tellLink({ from, to, taps }: ClusterLink): string {
  const lines = taps.map(
    ({ carries, open, connections, bytesUp, bytesDown }) =>
      `${carries}: ${plural(connections, 'connection')}, ${formatNumber(open)} open, ${formatBytes(bytesUp)} up, ${formatBytes(bytesDown)} down`,
  );
  return [`${from} > ${to}`, ...(lines.length === 0 ? ['not counted'] : lines)].join('\n');
}

function tellNode(node: ClusterNodeFigures): string {
  return [
    `${node.name}, ${node.role} of ${node.engine} at ${node.host}: ${node.state}`,
    processOf(node),
  ].join('\n');
}

function linkTable({ topology, links }: ClusterFigures): Html {
  const row = ({ from, to }: ClusterLink, cells: readonly string[]) =>
    html`<tr><th scope="row">${`${from} > ${to}`}</th><td>${cells[0]}</td>${cells.slice(1).map((cell) => html`<td class="number">${cell}</td>`)}</tr>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${`Links of ${topology}`}"><table class="plain">
<thead><tr><th scope="col">Link</th><th scope="col">Carries</th>${['Connections', 'Open', 'Up', 'Down'].map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${links.map((link) =>
    link.taps.length === 0
      ? row(link, ['not counted', ...Array.from({ length: 4 }, () => UNKNOWN)])
      : link.taps.map((tap) =>
          row(link, [
            tap.carries,
            ...[formatNumber(tap.connections), formatNumber(tap.open)],
            ...[formatBytes(tap.bytesUp), formatBytes(tap.bytesDown)],
          ]),
        ),
  )}</tbody></table></div>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
