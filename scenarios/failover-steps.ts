/** What a check of a fault says in its history: who is watched, what is asked of them, the fault and its end. */
import type { FailoverClient } from '../reports/results.ts';
import type { EventOf, History, StepData } from './history.ts';

/**
 * What is asked of a client of a check of a fault; a step `watched` of its history. `group` tells apart what several
 * checks ask of one observation.
 */
export interface Watched {
  readonly client: string;
  /** Whose stamps it is to see; an encoder's own label where it is that. */
  readonly publisher: string;
  readonly part: FailoverClient['part'];
  readonly boundMs: number;
  readonly since: FailoverClient['since'];
  /** Where the bound comes from, in words. */
  readonly why: string;
  /** No frame may be lost, in the gap neither. */
  readonly lossless: boolean;
  /** So many frames may come again: a pull of a publication that goes on begins with the cached GOP. Default 0. */
  readonly again?: number;
  readonly group: string;
}

/** How many connections each of some nodes may try within a second; a step `storm-bound`. */
export interface StormBound {
  readonly group: string;
  /** Names, separated by spaces. */
  readonly nodes: string;
  /** Of them those that fetch something, so that a tap tells of one; separated by spaces. */
  readonly fetching: string;
  readonly perSecond: number;
  /** Whether anybody sees them: taps stand on their links. */
  readonly isSeen: boolean;
  readonly why: string;
}

export const FailoverStep = { watched: 'watched', storm: 'storm-bound', cured: 'cured' } as const;

export function watchedIn(history: History, group: string): Watched[] {
  return history
    .of('step')
    .filter(({ step, data }) => step === FailoverStep.watched && data.group === group)
    .map(({ data }) => data as unknown as Watched);
}

/** As a datum of a step. */
export function stepOf(watched: Watched): StepData {
  return { ...watched };
}

export type Fault = EventOf<'node.control'> | EventOf<'link.control'>;

/** What a check did to the cluster, in order. */
export function faultsIn(history: History): Fault[] {
  return [...history.of('node.control'), ...history.of('link.control')].sort((a, b) => a.t - b.t);
}

/** Epoch ms; undefined when there was none, or nothing that could be had again. */
export function curedAt(history: History): number | undefined {
  return history.of('step').findLast(({ step }) => step === FailoverStep.cured)?.t;
}

export function stormBoundIn(history: History, group: string): StormBound | undefined {
  return history
    .of('step')
    .filter(({ step, data }) => step === FailoverStep.storm && data.group === group)
    .at(-1)?.data as unknown as StormBound | undefined;
}
