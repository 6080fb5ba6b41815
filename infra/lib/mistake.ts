/**
 * A mistake that the person at the shell can correct: what is wrong, in all its points, and a hint.
 */
export class Mistake extends Error {
  constructor(
    summary: string,
    readonly hint: string,
    readonly points: readonly string[] = [],
  ) {
    super(summary);
    this.name = 'Mistake';
  }

  /** The mistake as text for a terminal. */
  inWords(): string {
    const points = this.points.map((point) => `  - ${point}`);
    return [`error: ${this.message}`, ...points, `hint: ${this.hint}`].join('\n');
  }
}

/** A mistake that another program has put into words already: they are shown as they are. */
export class Refusal extends Mistake {
  constructor(private readonly words: string) {
    super(words, '');
  }

  override inWords(): string {
    return this.words.trimEnd();
  }
}
