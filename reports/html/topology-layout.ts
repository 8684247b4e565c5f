/** Where the nodes and links of a cluster stand in its picture: media goes from left to right. */
import type { ClusterFigures, ClusterLink, ClusterNodeFigures } from '../results-clusters.ts';

/** Of the drawing, in pixels. */
export const NODE_WIDTH = 174;
/** In front of a node, for what its links say. */
export const LABELS = 92;
const CURVES = 30;
export const ROW = 17;
const LINE = 15;
const PADDING = 9;
const BETWEEN = 16;
const EDGE = 3;
/** Before the first column: links of nodes that stand in it come round from the left. */
const ROUND = 26;

export interface PlacedNode {
  readonly node: ClusterNodeFigures;
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** A link ends in a row of its own in front of the node on the right. */
export interface PlacedLink {
  readonly link: ClusterLink;
  /** Where it leaves the node on the left. */
  readonly start: { readonly x: number; readonly y: number };
  /** Where its label begins; it goes on straight from there to the node. */
  readonly end: { readonly x: number; readonly y: number };
  /** Both nodes stand in one column. */
  readonly round: boolean;
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly PlacedNode[];
  readonly links: readonly PlacedLink[];
}

export function layOut(cluster: Pick<ClusterFigures, 'nodes' | 'links'>): Picture {
  const columns = columnsOf(cluster);
  const columnOf = (name: string) => columns.get(name) ?? 0;
  const ends = cluster.links.map((link) => {
    const [left, right] = link.against ? [link.from, link.to] : [link.to, link.from];
    return columnOf(left) > columnOf(right) ? { link, left: right, right: left } : { link, left, right };
  });
  const count = Math.max(0, ...columns.values()) + 1;
  const firstHasRows = ends.some(({ right }) => columnOf(right) === 0);
  const first = EDGE + (firstHasRows ? ROUND + LABELS : 0);
  const x = (column: number) => first + column * (NODE_WIDTH + CURVES + LABELS);

  const stacks = Array.from({ length: count }, (_, column) =>
    cluster.nodes
      .filter(({ name }) => columnOf(name) === column)
      .map((node) => ({
        node,
        height: heightOf(node, ends.filter(({ right }) => right === node.name).length),
      })),
  );
  const heights = stacks.map(
    (stack) => sum(stack.map(({ height }) => height)) + BETWEEN * (stack.length - 1),
  );
  const height = Math.max(0, ...heights) + 2 * EDGE;
  const nodes = stacks.flatMap((stack, column) => {
    let y = (height - heights[column]!) / 2;
    return stack.map(({ node, height: own }): PlacedNode => {
      const placed = { node, x: x(column), y, height: own };
      y += own + BETWEEN;
      return placed;
    });
  });

  const placeOf = new Map(nodes.map((placed) => [placed.node.name, placed]));
  const rows = new Map<string, number>();
  const inOrder = ends.toSorted((a, b) => yOf(placeOf, a.left) - yOf(placeOf, b.left));
  const links = inOrder.flatMap(({ link, left, right }): PlacedLink[] => {
    const [from, to] = [placeOf.get(left), placeOf.get(right)];
    if (from === undefined || to === undefined) return [];
    const row = rows.get(right) ?? 0;
    rows.set(right, row + 1);
    const all = ends.filter((other) => other.right === right).length;
    const round = from.x === to.x;
    return [
      {
        link,
        round,
        // Below the rows of that node, where it comes round.
        start: round
          ? { x: from.x, y: from.y + from.height - PADDING }
          : { x: from.x + NODE_WIDTH, y: from.y + from.height / 2 },
        end: { x: to.x - LABELS, y: to.y + to.height / 2 + (row - (all - 1) / 2) * ROW + 5 },
      },
    ];
  });
  return { width: x(count - 1) + NODE_WIDTH + EDGE, height, nodes, links };
}

function yOf(places: ReadonlyMap<string, PlacedNode>, name: string): number {
  return places.get(name)?.y ?? 0;
}

/** Lines of text in a node: its name, its role, its process, and where clients come in. */
export function linesOf({ publish, play }: ClusterNodeFigures): number {
  return 3 + (publish.length > 0 ? 1 : 0) + (play.length > 0 ? 1 : 0);
}

function heightOf(node: ClusterNodeFigures, rows: number): number {
  return Math.max(linesOf(node) * LINE + 2 * PADDING, rows * ROW + PADDING);
}

/** Baseline of a line of text in a node. */
export function lineY({ y, height, node }: PlacedNode, line: number): number {
  return y + (height - linesOf(node) * LINE) / 2 + line * LINE + 11;
}

/** By name, from 0: a node stands right of all that it gets media from. Who only keeps state stands left of who asks it. */
function columnsOf({ nodes, links }: Pick<ClusterFigures, 'nodes' | 'links'>): Map<string, number> {
  const media = links.filter((link) => link.media);
  const columns = new Map(nodes.map(({ name }) => [name, 0]));
  // A path has at most as many links as there are nodes; a circle would go on for ever.
  for (let round = 0; round < nodes.length; round++) {
    for (const { from, to, against } of media) {
      const [left, right] = against ? [from, to] : [to, from];
      columns.set(right, Math.max(columns.get(right) ?? 0, (columns.get(left) ?? 0) + 1));
    }
  }
  const silent = nodes.filter(({ name }) => !media.some(({ from, to }) => from === name || to === name));
  for (let round = 0; round < silent.length; round++) {
    for (const { name } of silent) {
      const users = links.filter(({ to }) => to === name).map(({ from }) => columns.get(from) ?? 0);
      if (users.length > 0) columns.set(name, Math.min(...users) - 1);
    }
  }
  const least = Math.min(0, ...columns.values());
  return new Map([...columns].map(([name, column]) => [name, column - least]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
