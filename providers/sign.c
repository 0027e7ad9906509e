/* sign.c - what all ways of signing share. See sign.h. (pure: the time is given) */
#include "providers/sign.h"

#include "core/base.h"

void sign_set_field(struct http_head *head, struct span name, struct span value) {
    unsigned kept = 0;
    for (unsigned i = 0; i < head->field_count; i++)
        if (!span_eq_nocase(head->fields[i].name, name))
            head->fields[kept++] = head->fields[i];
    CHECK(kept < HTTP_FIELDS_MAX);
    head->fields[kept++] = (struct http_field){.name = name, .value = value};
    head->field_count = kept;
}

bool sign_calendar(int64_t unix_s, struct sign_calendar *out) {
    /* 10000-01-01 */
    if (unix_s < 0 || unix_s >= INT64_C(253402300800))
        return false;
    unsigned days = (unsigned)(unix_s / 86400), seconds = (unsigned)(unix_s % 86400);
    /* Years that begin on 1 March, so that the leap day comes last; counted from the year 0. Of 400
     * years (146097 days) all are alike. */
    unsigned since = days + 719468, era = since / 146097, day_of_era = since % 146097;
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month = (5 * day_of_year + 2) / 153; /* 0: March */
    *out = (struct sign_calendar){.day = day_of_year - (153 * month + 2) / 5 + 1,
                                  .month = month < 10 ? month + 3 : month - 9,
                                  .hour = seconds / 3600,
                                  .minute = seconds / 60 % 60,
                                  .second = seconds % 60,
                                  /* 1970 began on a Thursday. */
                                  .weekday = (days + 4) % 7};
    out->year = year_of_era + era * 400 + (out->month <= 2);
    return true;
}
