/** An error that a person can correct in a setting or a file, with details and a hint. */
export class ConfigError extends Error {
  constructor(
    summary: string,
    readonly hint: string,
    readonly details: readonly string[] = [],
  ) {
    super(summary);
    this.name = 'ConfigError';
  }

  /** The error as text for a terminal. */
  toText(): string {
    const details = this.details.map((detail) => `  - ${detail}`);
    return [`error: ${this.message}`, ...details, `hint: ${this.hint}`].join('\n');
  }
}

/** An error that the command line has formatted already. */
export class CommandLineError extends ConfigError {
  constructor(private readonly output: string) {
    super(output, '');
  }

  override toText(): string {
    return this.output.trimEnd();
  }
}
