/** `--dashboard` and `--prometheus`: a run is shown while it goes on. */
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { startDashboard } from '../reports/live/dashboard.ts';
import { startExporter } from '../reports/live/exporter.ts';
import { LiveRun } from '../reports/live/live-run.ts';
import type { Address, LiveServer } from '../reports/live/server.ts';
import type { Results } from '../reports/results.ts';
import { printable, UsageError } from './output.ts';

export interface LiveArguments {
  /** True without an address: any free port. */
  readonly dashboard?: string | true;
  readonly prometheus?: string;
}

export function addLiveOptions(command: Command): Command {
  return command
    .option(
      '--dashboard [address]',
      'show the report in a browser while the run goes on, at host:port or :port (default: a free port of 127.0.0.1)',
    )
    .option(
      '--prometheus <address>',
      'give the figures to Prometheus while the run goes on, at /metrics of host:port; :9464 is 127.0.0.1:9464',
    );
}

/** Who looks at a run while it goes on. */
export interface Live {
  update(results: Results): void;
  /** What the run leaves behind. Resolves when everybody has got it and nothing listens any more. */
  finish(results: Results): Promise<void>;
  /** As `finish`, for a run that left nothing. Idempotent. */
  close(): Promise<void>;
}

/** Undefined when nobody asked for it. Throws UsageError for an address that is wrong or taken. */
export async function goLive(
  begun: Results,
  { dashboard, prometheus }: LiveArguments,
  stderr: Writable,
): Promise<Live | undefined> {
  if (dashboard === undefined && prometheus === undefined) return undefined;
  const run = new LiveRun(begun);
  const servers: LiveServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    if (dashboard !== undefined) {
      const address = parseAddress('--dashboard', dashboard === true ? ':0' : dashboard);
      const server = await start('--dashboard', startDashboard(run, address));
      servers.push(server);
      stderr.write(`dashboard: http://${server.authority}/\n`);
    }
    if (prometheus !== undefined) {
      const server = await start(
        '--prometheus',
        startExporter(run, parseAddress('--prometheus', prometheus)),
      );
      servers.push(server);
      stderr.write(`prometheus: http://${server.authority}/metrics\n`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    update: (results) => run.update(results),
    async finish(results) {
      run.finish(results);
      await close();
    },
    close,
  };
}

async function start(option: string, server: Promise<LiveServer>): Promise<LiveServer> {
  try {
    return await server;
  } catch (error) {
    throw new UsageError(`${option} cannot listen: ${printable((error as Error).message)}`);
  }
}

/** `host:port`, `[address]:port`, `:port`; without a host it is 127.0.0.1. */
export function parseAddress(option: string, text: string): Address {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\w.-]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new UsageError(`${option} is host:port or :port, such as :9464; got "${printable(text)}".`);
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}
