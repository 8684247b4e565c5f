/** Leaks for the workers of a soak, to see that it finds them. */

export const LEAKS = {
  memory: 'const kept = []; setInterval(() => kept.push(Buffer.alloc(1 << 20, 1)), 1000).unref();',
  descriptors:
    "import { openSync } from 'node:fs'; setInterval(() => openSync('/dev/null', 'r'), 1000).unref();",
} as const;
export type Leak = keyof typeof LEAKS;

/** Every Node process that this one starts from now on has it: 1 MiB, or one file, each second. */
export function plant(leak: Leak): void {
  const module = `data:text/javascript,${encodeURIComponent(LEAKS[leak])}`;
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import ${module}`.trim();
}
