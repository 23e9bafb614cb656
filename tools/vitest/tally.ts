import type { Reporter, TestModule } from 'vitest/node';

/** Ends every run with one line of totals, the last thing that is printed. */
export class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    // An error outside of any test fails the run as well.
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      const results = [...module.children.allTests()].map((test) => test.result().state);
      for (const state of results) count[state] += 1;
      // A file that could not be loaded has no tests, and is a failure all the same.
      if (results.length === 0 && module.state() === 'failed') count.failed += 1;
    }
    const skipped = count.skipped + count.pending;
    const line = `${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`;
    const named = process.argv.some((arg) => arg === '-t' || arg === '--testNamePattern');
    process.once('exit', () => {
      // A name that fits no test is a mistake, not a success.
      if (named && count.passed + count.failed === 0) process.exitCode = 1;
      process.stdout.write(line);
    });
  }
}
