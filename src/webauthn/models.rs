//! Models of authenticators, and their proof by attestation.

use std::collections::BTreeMap;

use uuid::Uuid;
use webauthn_rs::prelude::{
    AttestationCaList, AttestationCaListBuilder, AttestationFormat, Credential,
};

use super::Model;

/// A model with the roots that attest it and no other model.
#[derive(Debug)]
pub(super) struct ProvableModel {
    pub(super) aaguid: Uuid,
    pub(super) name: String,
    roots: AttestationCaList,
}

impl ProvableModel {
    /// Returns true if the attestation statement of a credential proves this model. The credential must
    /// have this model's AAGUID, and the library must have verified the signature over it.
    ///
    /// Only the format `packed` attests a model. Self attestation has no chain, and proves nothing.
    pub(super) fn is_proven_by(&self, credential: &Credential) -> bool {
        credential.attestation_format == AttestationFormat::Packed
            && matches!(credential.verify_attestation(&self.roots), Ok(Some(_)))
    }
}

/// Reads the roots of each model. Adds the key and a sentence for each problem to `problems`.
pub(super) fn load(
    models: Vec<Model>,
    problems: &mut Vec<(&'static str, String)>,
) -> Vec<ProvableModel> {
    let mut loaded: Vec<ProvableModel> = Vec::with_capacity(models.len());
    for model in models {
        let Model {
            aaguid,
            name,
            roots,
        } = model;
        let mut report =
            |problem: &str| problems.push(("models", format!("model `{aaguid}` {problem}")));
        if aaguid.is_nil() {
            report("cannot be listed: authenticators that hide their model send this AAGUID");
        }
        if name.trim().is_empty() {
            report("needs a name");
        }
        if loaded.iter().any(|other| other.aaguid == aaguid) {
            report("is listed twice: put all its roots into one file");
        }
        match certificates(&roots, aaguid, &name) {
            Ok(roots) => loaded.push(ProvableModel {
                aaguid,
                name,
                roots,
            }),
            Err(problem) => report(problem),
        }
    }
    loaded
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

fn certificates(pem: &[u8], aaguid: Uuid, name: &str) -> Result<AttestationCaList, &'static str> {
    let text = str::from_utf8(pem).map_err(|_| "has a `roots` file that is not PEM text")?;
    let mut list = AttestationCaListBuilder::new();
    let mut rest = text;
    // The builder reads one certificate at a time. A file may hold several, with text between them.
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (body, after) = after
            .split_once(END)
            .ok_or("has a `roots` file with a certificate that does not end")?;
        let certificate = format!("{BEGIN}{body}{END}\n");
        list.insert_device_pem(
            certificate.as_bytes(),
            aaguid,
            name.to_owned(),
            BTreeMap::new(),
        )
        .map_err(|_| "has a `roots` file with an invalid certificate")?;
        rest = after;
    }
    let list = list.build();
    if list.is_empty() {
        return Err("has a `roots` file without a PEM certificate");
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa,
        KeyPair,
    };
    use serde_json::json;

    use super::*;
    use crate::webauthn::Reason;
    use crate::webauthn::forge::{Forge, Statement};
    use crate::webauthn::tests::{CHALLENGE, parties_with};
    use crate::webauthn::{RelyingParties, Verified};
    use cedargate_core::{Bytes, MethodType};

    const LISTED: Uuid = Uuid::from_u128(0x73bb0cd4_e502_49b8_9c6f_b59445bf720b);
    const OTHER: Uuid = Uuid::from_u128(2);

    /// A vendor, whose root signs attestation certificates.
    struct Vendor {
        root: CertifiedIssuer<'static, KeyPair>,
    }

    impl Vendor {
        fn new(name: &str) -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
            params.distinguished_name.push(DnType::CommonName, name);
            let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            Self { root }
        }

        fn pem(&self) -> Vec<u8> {
            self.root.pem().into_bytes()
        }

        /// Signs an attestation certificate (§8.2.1), with an extension if it names a model.
        fn attest(&self, model: Option<Uuid>) -> Statement {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            for (kind, value) in [
                (DnType::CountryName, "AA"),
                (DnType::OrganizationName, "Vendor"),
                (DnType::OrganizationalUnitName, "Authenticator Attestation"),
                (DnType::CommonName, "Key"),
            ] {
                params.distinguished_name.push(kind, value);
            }
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
            if let Some(aaguid) = model {
                let mut octets = vec![0x04, 0x10];
                octets.extend(aaguid.as_bytes());
                let oid = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
                params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, octets)];
            }
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.root).unwrap();
            Statement::Signed(key.serialize_der(), vec![certificate.der().to_vec()])
        }
    }

    fn parties_listing(roots: Vec<u8>) -> RelyingParties {
        parties_with(vec![Model {
            aaguid: LISTED,
            name: "Model".into(),
            roots,
        }])
    }

    fn enrol(
        parties: &RelyingParties,
        aaguid: Uuid,
        statement: Statement,
    ) -> Result<Verified, Reason> {
        let challenge = Bytes(CHALLENGE.to_vec());
        let mut forge = Forge::new(&challenge);
        forge.aaguid = aaguid.into_bytes();
        forge.format = "packed".into();
        forge.statement = statement;
        parties
            .for_tenant(None)
            .unwrap()
            .finish(MethodType::Fido, &challenge, &forge.response())
            .map_err(|fault| fault.reason)
    }

    fn proven(parties: &RelyingParties, aaguid: Uuid, statement: Statement) -> Option<Uuid> {
        let verified = enrol(parties, aaguid, statement).unwrap();
        assert_eq!(verified.claimed_model, Some(aaguid));
        verified.proven_model
    }

    #[test]
    fn chain_to_a_listed_root_proves_the_model() {
        let vendor = Vendor::new("Vendor");
        let parties = parties_listing(vendor.pem());
        assert_eq!(proven(&parties, LISTED, vendor.attest(None)), Some(LISTED));
        assert_eq!(
            proven(&parties, LISTED, vendor.attest(Some(LISTED))),
            Some(LISTED)
        );
        assert_eq!(
            parties.for_tenant(None).unwrap().model_name(LISTED),
            Some("Model")
        );
        assert_eq!(parties.for_tenant(None).unwrap().model_name(OTHER), None);
    }

    #[test]
    fn chain_of_another_vendor_proves_nothing() {
        let parties = parties_listing(Vendor::new("Vendor").pem());
        // A root with the name of the listed vendor proves nothing either.
        for other in [Vendor::new("Other"), Vendor::new("Vendor")] {
            assert_eq!(proven(&parties, LISTED, other.attest(None)), None);
            assert_eq!(proven(&parties, LISTED, other.attest(Some(LISTED))), None);
        }
    }

    #[test]
    fn root_of_one_model_does_not_prove_another() {
        let (one, two) = (Vendor::new("One"), Vendor::new("Two"));
        let model = |aaguid, vendor: &Vendor| Model {
            aaguid,
            name: "Model".into(),
            roots: vendor.pem(),
        };
        let parties = parties_with(vec![model(LISTED, &one), model(OTHER, &two)]);
        assert_eq!(proven(&parties, OTHER, two.attest(None)), Some(OTHER));
        assert_eq!(proven(&parties, OTHER, one.attest(None)), None);
        assert_eq!(proven(&parties, LISTED, two.attest(None)), None);
        assert_eq!(proven(&parties, Uuid::from_u128(3), one.attest(None)), None);
    }

    #[test]
    fn certificate_of_another_model_is_refused() {
        let vendor = Vendor::new("Vendor");
        let parties = parties_listing(vendor.pem());
        let got = enrol(&parties, LISTED, vendor.attest(Some(OTHER)));
        assert_eq!(got.unwrap_err(), Reason::Attestation);
    }

    #[test]
    fn self_attestation_or_none_proves_nothing() {
        let parties = parties_listing(Vendor::new("Vendor").pem());
        let challenge = Bytes(CHALLENGE.to_vec());
        let mut forge = Forge::new(&challenge);
        forge.aaguid = LISTED.into_bytes();
        let party = parties.for_tenant(None).unwrap();
        let finish = |forge: &Forge| {
            party
                .finish(MethodType::Fido, &challenge, &forge.response())
                .unwrap()
        };
        assert_eq!(finish(&forge).proven_model, None);
        forge.sign_itself();
        let verified = finish(&forge);
        assert_eq!(verified.proven_model, None);
        assert_eq!(verified.claimed_model, Some(LISTED));
    }

    #[test]
    fn attestation_statement_is_not_kept() {
        let vendor = Vendor::new("Vendor");
        let verified = enrol(&parties_listing(vendor.pem()), LISTED, vendor.attest(None)).unwrap();
        let kept = &verified.credential["attestation"];
        assert_eq!(kept, &json!({ "data": "None", "metadata": "None" }));
    }

    #[test]
    fn roots_file_with_several_certificates_is_read() {
        let (one, two) = (Vendor::new("One"), Vendor::new("Two"));
        let mut roots = b"Roots of the vendor\n".to_vec();
        roots.extend(one.pem());
        roots.extend(b"\nand another\n");
        roots.extend(two.pem());
        let parties = parties_listing(roots);
        for vendor in [one, two] {
            assert_eq!(proven(&parties, LISTED, vendor.attest(None)), Some(LISTED));
        }
    }

    #[test]
    fn invalid_model_is_reported_with_its_aaguid() {
        let good = Vendor::new("Vendor").pem();
        let cut = &good[..good.len() / 2];
        let garbled = format!("{BEGIN}\nAAAA\n{END}\n");
        let model = |roots: &[u8]| Model {
            aaguid: LISTED,
            name: "Model".into(),
            roots: roots.to_vec(),
        };
        for (models, what) in [
            (
                vec![model(b"")],
                "has a `roots` file without a PEM certificate",
            ),
            (
                vec![model(&[0xff])],
                "has a `roots` file that is not PEM text",
            ),
            (
                vec![model(cut)],
                "has a `roots` file with a certificate that does not end",
            ),
            (
                vec![model(garbled.as_bytes())],
                "has a `roots` file with an invalid certificate",
            ),
            (
                vec![model(&good), model(&good)],
                "is listed twice: put all its roots into one file",
            ),
        ] {
            let mut problems = Vec::new();
            load(models, &mut problems);
            assert_eq!(problems, [("models", format!("model `{LISTED}` {what}"))]);
        }
    }
}
