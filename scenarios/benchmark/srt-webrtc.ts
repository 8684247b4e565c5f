/** The second table of `bench:drivers`: SRT and WHEP, whose players have no bare reader beside them but limits in cores. */
import { srtCost } from './srt-cost.ts';
import { type Finding, isServed, whepCost } from './webrtc-cost.ts';

export const UDP_PROTOCOLS = ['srt', 'whep'] as const;
export type UdpProtocol = (typeof UDP_PROTOCOLS)[number];

export interface UdpCosts {
  /** The table, and what is within its limits. */
  readonly lines: readonly string[];
  readonly findings: readonly Finding[];
  /** Every player received. */
  readonly valid: boolean;
}

interface Row {
  readonly cells: readonly (string | number)[];
  readonly findings: readonly Finding[];
  readonly valid: boolean;
}

const COLUMNS = [
  'protocol',
  'players',
  'cores/1000',
  'ms/join',
  'frames/s',
  'lag p99',
  'missing',
  'corrupt',
  'valid',
];
/**
 * A burst of so many joins within this time is required of WHEP. No more are measured: their server encrypts every packet
 * for each of them, and a thousand want more than the core that is left to it.
 */
const BURST = { players: 300, rampMs: 5000 } as const;
const RAMP_MS_PER_PLAYER = BURST.rampMs / BURST.players;

export async function udpCosts(
  protocols: readonly UdpProtocol[],
  players: number,
  windowMs: number,
): Promise<UdpCosts> {
  const rows: Row[] = [];
  for (const protocol of protocols) {
    rows.push(
      protocol === 'srt'
        ? await srtRow(players, windowMs)
        : await whepRow(Math.min(players, BURST.players), windowMs),
    );
  }
  const findings = rows.flatMap((row) => row.findings);
  const table = [COLUMNS, ...rows.map(({ cells }) => cells)].map((cells) =>
    cells.map((cell) => String(cell).padStart(11)).join(''),
  );
  const judged = findings.map(
    ({ what, value, limit, ok }) => `${ok ? 'ok  ' : 'MISS'} ${what}: ${value.toFixed(2)} (limit ${limit})`,
  );
  return {
    lines: rows.length === 0 ? [] : [...table, ...judged],
    findings,
    valid: rows.every(({ valid }) => valid),
  };
}

async function srtRow(players: number, windowMs: number): Promise<Row> {
  const { cost, fps, findings, valid } = await srtCost(players, windowMs);
  const { loopLagP99Ms, missing, corrupt } = cost;
  return row('srt', players, { findings, valid, fps, loopLagP99Ms, missing, corrupt }, '-');
}

async function whepRow(players: number, windowMs: number): Promise<Row> {
  const rampMs = players * RAMP_MS_PER_PLAYER;
  const { cost, findings } = await whepCost({ players, rampMs, windowMs, transport: 'lite' });
  const { msPerJoin, each, loopLagP99Ms, missing, corrupt } = cost;
  const of = {
    findings,
    valid: isServed(cost, players, true),
    fps: each.frames,
    loopLagP99Ms,
    missing,
    corrupt,
  };
  return row('whep', players, of, msPerJoin.toFixed(1));
}

function row(
  protocol: UdpProtocol,
  players: number,
  of: Pick<Row, 'findings' | 'valid'> & {
    readonly fps: number;
    readonly loopLagP99Ms: number;
    readonly missing: number;
    readonly corrupt: number;
  },
  msPerJoin: string,
): Row {
  const { findings, fps, loopLagP99Ms, missing, corrupt } = of;
  const valid = of.valid && missing + corrupt === 0;
  return {
    cells: [
      ...[protocol, players, findings[0]!.value.toFixed(3), msPerJoin, fps.toFixed(1)],
      ...[`${loopLagP99Ms.toFixed(0)} ms`, missing, corrupt, valid ? 'yes' : 'NO'],
    ],
    findings,
    valid,
  };
}
