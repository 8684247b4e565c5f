/** Which checks a command means: ids and globs to checks. */
import type { Check } from './check.ts';

export interface Selection {
  readonly checks: readonly Check[];
  /** Patterns that match nothing, each with the ids that come nearest. */
  readonly unmatched: readonly { readonly pattern: string; readonly near: readonly string[] }[];
}

const NEAR = 3;

/**
 * `*` matches any run of characters but a slash, `**` any run at all, `?` one character but a slash.
 * No pattern means all checks. The order is that of `checks`, and a check comes once.
 */
export function selectChecks(checks: readonly Check[], patterns: readonly string[]): Selection {
  if (patterns.length === 0) return { checks, unmatched: [] };
  const chosen = new Set<Check>();
  const unmatched: { pattern: string; near: string[] }[] = [];
  for (const pattern of patterns) {
    const expression = globToRegExp(pattern);
    const matching = checks.filter(({ id }) => expression.test(id));
    for (const check of matching) chosen.add(check);
    if (matching.length === 0) unmatched.push({ pattern, near: nearest(pattern, checks) });
  }
  return { checks: checks.filter((check) => chosen.has(check)), unmatched };
}

function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/\*\*|[*?]|[\\^$.|+()[\]{}]/g, (token) => {
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    return `\\${token}`;
  });
  return new RegExp(`^${source}$`);
}

function nearest(pattern: string, checks: readonly Check[]): string[] {
  return checks
    .map(({ id }) => ({
      id,
      distance: Math.min(distance(pattern, id), distance(pattern, id.split('/')[1]!)),
    }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, NEAR)
    .map(({ id }) => id);
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
