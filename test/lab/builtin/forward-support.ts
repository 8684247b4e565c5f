/** What the tests of forwarding share. */
import { clientsOf, type NodeOptions, startNode, type TestNode } from './support.ts';

/** Timestamps of a publisher that has been on the air for a while. */
export const FROM = 5_000_000;
/** Nobody has to wait 3 s here. */
export const SOON = { forwardRetry: 100 };

export function addresses(nodes: readonly TestNode[]): { host: string; port: number }[] {
  return nodes.map(({ config }) => ({ host: config.host, port: config.rtmpPort }));
}

export function masterOf(nodes: readonly TestNode[], options: NodeOptions = {}): Promise<TestNode> {
  return startNode({ role: 'master', forwards: addresses(nodes), timeouts: SOON, ...options });
}

export async function publishersOf(node: TestNode, stream: string): Promise<Record<string, unknown>[]> {
  return (await clientsOf(node)).filter(({ url, publish }) => publish && url === `/live/${stream}`);
}
