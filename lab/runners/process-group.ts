/** Processes that were started as the leader of a group of their own (`detached`), with what they have started. */

/** Does nothing where nobody is in the group any more, or nobody who is ours to end: who started it sees whether it ends. */
export function killGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
