/* oci.h - Oracle Cloud's Generative AI: its OpenAI-compatible endpoint, authorised by a request
 * signature or by an API key. (pure)
 *
 * With `api_key` (an OCI Generative AI API key) it is Bearer; otherwise every request is signed
 * with the RSA key of an OCI user (sign.h). The compartment goes into two fields, as Oracle's own
 * clients do: chat completions look for `CompartmentId`, responses for `opc-compartment-id`, and
 * each answers 400 "Compartment ID must be provided" without its own. An API key belongs to a
 * compartment already.
 */
#ifndef HEDGEROW_PROVIDERS_OCI_H
#define HEDGEROW_PROVIDERS_OCI_H

#include "providers/provider.h"

/* For provider_kind; contracts there. Services CHAT and RESPONSES. */
int oci_target(const struct provider *, enum provider_service, struct span model, struct arena *,
               struct provider_target *out, struct span *why);
/* https://inference.generativeai.REGION.oci.DOMAIN/openai/v1, with the domain of the region's
 * realm: oraclecloud.com, and those of the EU sovereign cloud and the governments'. For any other
 * realm the operator gives base_url. */
struct span oci_url(const struct provider *, struct arena *, struct span *why);
/* Signs, unless the target holds an API key. */
int oci_provider_sign(const struct provider *, const struct credential *, struct sign_call *);
/* The shared classification, and the codes of Oracle's own errors ({"code","message"}) that their
 * status does not tell: a used up quota is a 400 there, a missing policy a 404. */
void oci_classify(const struct provider *, const struct http_head *head, struct span body,
                  struct provider_verdict *out);

/* An RSA signature of 8192 bits. */
#define OCI_SIGNATURE_MAX 1024

/* RSA PKCS#1 v1.5 over SHA-256 (RFC 8017 8.2) of `text` with the key; the signature's length in
 * bytes, or 0 when it cannot be. The same call serves gcp_jwt, whose RS256 it is (RFC 7518 3.3). */
size_t oci_key_sign(const struct oci_key *, struct span text, uint8_t out[OCI_SIGNATURE_MAX]);

#endif
