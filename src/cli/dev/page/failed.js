/** The authenticator or the browser did not answer; `kind` says why. */
export class CeremonyFailed extends Error {
  constructor(kind, cause) {
    super(kind, { cause });
    this.kind = kind;
  }
}
