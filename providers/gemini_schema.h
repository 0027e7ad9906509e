/* gemini_schema.h - what both directions between JSON schema and the OpenAPI subset share; not for
 * others. (pure)
 *
 *   gemini_schema.c    JSON schema -> the OpenAPI subset
 *   gemini_openapi.c   the OpenAPI subset -> JSON schema */
#ifndef HEDGEROW_PROVIDERS_GEMINI_SCHEMA_H
#define HEDGEROW_PROVIDERS_GEMINI_SCHEMA_H

#include "providers/gemini.h"

/* The members that both know. */
enum {
    TYPE,
    FORMAT,
    DESCRIPTION,
    NULLABLE,
    ENUM,
    CONST,
    ITEMS,
    ANY_OF,
    ONE_OF,
    PATTERN,
    MINIMUM,
    MAXIMUM,
    MIN_ITEMS,
    MAX_ITEMS,
    MIN_LENGTH,
    MAX_LENGTH,
    MIN_PROPERTIES,
    MAX_PROPERTIES,
    KEY_COUNT
};
extern const struct span gemini_schema_keys[KEY_COUNT];

/* "string", in any case -> "STRING"; empty: no such type. Static. */
struct span gemini_schema_type(struct span type);

#endif
