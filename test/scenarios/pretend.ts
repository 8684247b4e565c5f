/** A cluster and a stage without a process: what the gate does can be tested in milliseconds. */
import type {
  ApiVersions,
  Capability,
  Cluster,
  ClusterNode,
  NodeApi,
  NodeState,
  Tap,
  TapEvent,
  TcpLinkProtocol,
} from '../../lab/cluster.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { type Check, check } from '../../scenarios/check.ts';
import type { GateRequest } from '../../scenarios/gate.ts';
import type { Stage } from '../../scenarios/stage.ts';

export class PretendTap implements Tap {
  readonly from: string;
  readonly to: string;
  readonly carries: TcpLinkProtocol;
  readonly name: string;
  open = 0;
  total = 0;
  readonly bytesUp = 0;
  bytesDown = 0;
  readonly #listeners = new Set<(event: TapEvent) => void>();

  constructor(from: string, to = 'origin', carries: TcpLinkProtocol = 'rtmp') {
    this.from = from;
    this.to = to;
    this.carries = carries;
    this.name = `${from}>${to}`;
  }

  subscribe(listener: (event: TapEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(type: 'open' | 'close'): void {
    this.open += type === 'open' ? 1 : -1;
    if (type === 'open') this.total++;
    for (const listener of [...this.#listeners]) {
      listener({
        tap: this.name,
        carries: this.carries,
        type,
        connection: this.total,
        at: Date.now(),
        open: this.open,
      });
    }
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  addToxic(): () => void {
    return () => {};
  }
  cut(): void {}
  restore(): void {}
}

export class PretendNode {
  readonly spec;
  readonly engine = 'builtin';
  readonly host = '127.0.0.1';
  readonly ports = { rtmp: 1935, http: 8080, api: 1985 };
  readonly logFile = '/dev/null';
  /** Above what Linux gives to processes. */
  pid = 2 ** 23;
  state: NodeState = 'ready';
  restarts = 0;
  /** Its sockets are closed, its process is still there. */
  dying = false;
  onRestart = () => {};

  constructor(spec: ClusterNode['spec']) {
    this.spec = spec;
  }

  async kill(): Promise<void> {
    this.state = 'exited';
  }
  freeze(): void {
    this.state = 'frozen';
  }
  thaw(): void {
    this.state = 'ready';
  }
  async restart(): Promise<void> {
    this.restarts++;
    this.pid++;
    this.state = 'ready';
    this.dying = false;
    this.onRestart();
  }
  /** Ends when asked, if it is about to; time is not waited for. */
  async ended(withinMs: number): Promise<boolean> {
    if (this.dying && withinMs > 0) this.state = 'exited';
    return this.state === 'exited';
  }
  usage(): { rssMb: number; cpuSeconds: number } {
    return { rssMb: 0, cpuSeconds: 0 };
  }
}

/** Knows whether its node lives, and nothing else. */
class PretendApi implements NodeApi {
  readonly #node: PretendNode;

  constructor(node: PretendNode) {
    this.#node = node;
  }

  async versions(): Promise<ApiVersions> {
    if (this.#node.dying || this.#node.state === 'exited') throw new Error('connection refused');
    return { server: '', service: '', pid: String(this.#node.pid), version: '' };
  }
  clients = nothing;
  streams = nothing;
  kick = nothing;
}

async function nothing(): Promise<never> {
  throw new Error('this API knows nothing');
}

export function pretendCluster(without: readonly Capability[] = []) {
  const nodes = new Map(edgeCluster.nodes.map((spec) => [spec.name, new PretendNode(spec)]));
  const taps = ['edge-1', 'edge-2', 'edge-3'].map((from) => new PretendTap(from));
  const all: Capability[] = ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'observe.api'];
  const cluster: Cluster = {
    topology: edgeCluster,
    engine: 'builtin',
    capabilities: new Set(all.filter((capability) => !without.includes(capability))),
    entries: [],
    nodes: nodes as unknown as ReadonlyMap<string, ClusterNode>,
    taps,
    udpTaps: [],
    api: (name) => new PretendApi(nodes.get(name)!),
    entry: () => {
      throw new Error('no entry here');
    },
    down: async () => {},
  };
  return { cluster, taps, nodes };
}

const nobody = (): never => {
  throw new Error('nobody plays here');
};

export const emptyStage: Stage = {
  publish: nobody,
  play: nobody,
  encode: nobody,
  watch: nobody,
  crowd: nobody,
};

export function pretendCheck(changes: Partial<Check>): Check {
  return check({
    id: 'pretend/check',
    title: 'A check',
    level: 'must',
    spec: { source: 'a document', where: '1', says: 'something' },
    topologies: ['edge-cluster'],
    needs: [],
    mutants: ['edge-never-releases'],
    async run() {},
    judge: () => [{ verdict: 'pass', expected: 'good', actual: 'good' }],
    ...changes,
  });
}

export function request(checks: readonly Check[], changes: Partial<GateRequest> = {}): GateRequest {
  return {
    checks,
    cluster: pretendCluster().cluster,
    stage: emptyStage,
    signal: new AbortController().signal,
    ...changes,
  };
}
