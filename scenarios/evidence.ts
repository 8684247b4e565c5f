/** What is kept of a check that did not pass: what it saw, what its nodes said meanwhile, and how to run it again. */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Cluster, ClusterNode } from '../lab/cluster.ts';
import type { Evidence, Finding } from '../reports/results.ts';
import { maskSecrets } from '../reports/secrets.ts';
import type { HistoryEvent } from './history.ts';
import type { WireTape } from './wire-tape.ts';

/** Of the events of a check: its first and its last ones. */
const HEAD_EVENTS = 1000;
const TAIL_EVENTS = 3000;
/** Of the log of each node: so many bytes of the beginning, and of the end, of what it wrote while the check ran. */
const LOG_BYTES = 64 * 1024;
/** Label of the evidence that says how nodes were started, and what they logged. */
export const NODES_EVIDENCE = 'nodes';
/** Clients whose bytes are shown. */
const MAX_TAPES = 6;

export interface EvidenceRequest {
  /** Of the run; files go to `evidence` below it. */
  readonly directory: string;
  /** Lines of the history of the run so far, other checks' included. */
  readonly lines: () => number;
  /** The command line that repeats just this check. */
  readonly repeat: (finding: Finding) => string;
}

/** Watches the checks of one cluster, one after the other. */
export class EvidenceKeeper {
  readonly #request: EvidenceRequest;
  /** Where its nodes have their configurations and logs. */
  readonly #runDir: string;
  readonly #folder: string;
  #cluster: Cluster | undefined;
  #head: HistoryEvent[] = [];
  #tail: HistoryEvent[] = [];
  #seen = 0;
  #firstLine = 0;
  #lastLine = 0;
  #tapes: ReadonlyMap<string, WireTape> = new Map();
  /** By node, when the check began. */
  #logSizes = new Map<string, number>();

  /** @param name of the cluster among those of the run, as a path */
  constructor(request: EvidenceRequest, runDir: string, name: string) {
    this.#request = request;
    this.#runDir = runDir;
    this.#folder = join('evidence', name);
  }

  watch(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  begin(): void {
    this.#head = [];
    this.#tail = [];
    this.#seen = 0;
    this.#tapes = new Map();
    this.#logSizes = new Map(this.#nodes.map(({ spec, logFile }) => [spec.name, sizeOf(logFile)]));
  }

  /** After it was written to the history of the run. */
  see(event: HistoryEvent): void {
    this.#lastLine = this.#request.lines();
    if (this.#seen++ === 0) this.#firstLine = this.#lastLine;
    if (this.#head.length < HEAD_EVENTS) this.#head.push(event);
    else this.#tail.push(event);
    if (this.#tail.length > 2 * TAIL_EVENTS) this.#tail = this.#tail.slice(-TAIL_EVENTS);
  }

  /** What its clients sent and got. */
  keep(tapes: ReadonlyMap<string, WireTape>): void {
    this.#tapes = tapes;
  }

  /** The finding of the check that has just ended, with its evidence where there is something to prove. */
  of(finding: Finding): Finding {
    if (finding.verdict === 'pass' || finding.verdict === 'unsupported') return finding;
    const slug = finding.check.replaceAll('/', '-');
    const evidence: Evidence[] = [
      ...finding.evidence,
      { label: 'run it again', detail: this.#request.repeat(finding) },
    ];
    if (this.#seen > 0) {
      const file = this.#write(`${slug}.ndjson`, this.#slice());
      const detail = `lines ${this.#firstLine} to ${this.#lastLine} of history.ndjson, those of ${finding.check}`;
      evidence.push({ label: 'history', detail, file });
    }
    const tapes = this.#concerned(finding);
    if (tapes.length > 0) {
      const file = this.#write(
        `${slug}.wire.txt`,
        tapes.map(([client, tape]) => wireOf(client, tape)).join('\n'),
      );
      const detail = `the first and the last of what was sent and received by ${tapes.map(([client]) => client).join(', ')}`;
      evidence.push({ label: 'wire', detail, file });
    }
    if (this.#cluster !== undefined) {
      const file = this.#write(`${slug}.nodes.txt`, this.#nodes.map((node) => this.#said(node)).join('\n'));
      evidence.push({
        label: NODES_EVIDENCE,
        detail: 'how each was started, and what it logged while the check ran',
        file,
      });
      const folder = relative(this.#request.directory, this.#runDir);
      evidence.push({
        label: 'configuration',
        detail: `all files of its nodes: ${folder}`,
        file: `${folder}/`,
      });
    }
    return { ...finding, evidence };
  }

  get #nodes(): ClusterNode[] {
    return [...(this.#cluster?.nodes.values() ?? [])];
  }

  /** Clients that the finding names, or whoever there is. */
  #concerned({ expected, actual }: Finding): [string, WireTape][] {
    const taped = [...this.#tapes].filter(([, tape]) => !tape.isEmpty);
    const words = new Set(`${expected} ${actual}`.split(/[^\w-]+/));
    const named = taped.filter(([client]) => words.has(client));
    return (named.length > 0 ? named : taped).slice(0, MAX_TAPES);
  }

  #slice(): string {
    const tail = this.#tail.slice(-TAIL_EVENTS);
    const leftOut = this.#seen - this.#head.length - tail.length;
    const gap = leftOut === 0 ? [] : [{ type: 'left-out', events: leftOut }];
    return [...this.#head, ...gap, ...tail].map((event) => `${JSON.stringify(event)}\n`).join('');
  }

  #said(node: ClusterNode): string {
    const { spec, engine, pid, state, logFile } = node;
    const began = this.#logSizes.get(spec.name) ?? 0;
    return `== ${spec.name}: ${engine}, process ${pid}, ${state}\n${commandOf(pid)}\n${saidSince(logFile, began)}`;
  }

  /** Returns its path within the run. */
  #write(name: string, text: string): string {
    const file = join(this.#folder, name);
    const path = join(this.#request.directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, maskSecrets(text));
    return file;
  }
}

function wireOf(client: string, tape: WireTape): string {
  return `== ${client}: ${tape.url}\n${tape.describe()}\n`;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** Of a process that is gone, or that is not of this machine, nobody knows it. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trimEnd();
  } catch {
    return 'its command line is not known: it has ended';
  }
}

/**
 * What a file has from `offset` on: the first and the last LOG_BYTES of it, for what went wrong may be followed by a lot of
 * what came of it. Of a file that was begun anew, from its beginning.
 */
function saidSince(path: string, offset: number): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const { size } = fstatSync(descriptor);
    const from = size < offset ? 0 : offset;
    if (size - from <= 2 * LOG_BYTES) return read(descriptor, from, size);
    const first = read(descriptor, from, from + LOG_BYTES);
    const last = read(descriptor, size - LOG_BYTES, size);
    return `${first}\n[${size - from - 2 * LOG_BYTES} bytes left out]\n${last}`;
  } catch {
    return `${path} cannot be read\n`;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function read(descriptor: number, from: number, to: number): string {
  const bytes = Buffer.alloc(to - from);
  const count = readSync(descriptor, bytes, 0, bytes.length, from);
  return bytes.toString('utf8', 0, count);
}
