/** A certificate authority and what it signed, made afresh with openssl for tests; nothing of it is kept. */

async function openssl(args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, cwd, stderr: "piped" }).output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** What one certificate says instead of the usual. */
export interface CertificateOptions {
  /** As openssl writes them: `DNS:a.test,IP:::1`. */
  names?: string;
  /** From now; negative: it has ended. */
  days?: number;
}

/**
 * Folder with `ca.pem`, and `<name>.pem`/`<name>.key` for each of `names` (subject CN = name, valid for localhost and
 * 127.0.0.1 unless `special` says otherwise).
 */
export async function makeCertificates(
  names: string[],
  special: Record<string, CertificateOptions> = {},
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "weir-certificates-" });
  await openssl([
    "req",
    "-x509",
    ...curve,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=Test CA",
  ], folder);
  for (const name of names) {
    const { names: alternatives = "DNS:localhost,IP:127.0.0.1", days = 2 } = special[name] ?? {};
    await Deno.writeTextFile(`${folder}/extensions`, `subjectAltName=${alternatives}`);
    await openssl(
      ["req", ...curve, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`],
      folder,
    );
    await openssl([
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-out", `${name}.pem`, "-days", `${days}`, "-extfile", "extensions"],
    ], folder);
  }
  return folder;
}
