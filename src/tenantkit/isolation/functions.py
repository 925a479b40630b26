"""
Which SQL functions a scoped statement may call.

A function can read what no FROM clause names (``query_to_xml``, ``pg_read_file``) or change who asks
(``set_config``), so functions are refused unless they are known to compute from their arguments alone. An
application adds its own with ``scope_engine(..., functions=[...])``.
"""

from typing import Final

__all__ = ["ALLOWED_FUNCTIONS"]

_AGGREGATES = """
    any_value array_agg avg bit_and bit_or bool_and bool_or corr count covar_pop covar_samp every group_concat
    json_agg json_arrayagg json_group_array json_group_object json_object_agg json_objectagg jsonb_agg
    jsonb_object_agg max min mode percentile_cont percentile_disc regr_count regr_intercept regr_r2 regr_slope
    std stddev stddev_pop stddev_samp string_agg sum total var_pop var_samp variance aggregate_strings listagg
"""
_WINDOWS = """
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
    cube rollup grouping grouping_sets
"""
_NUMBERS = """
    abs acos acosh asin asinh atan atan2 atanh cbrt ceil ceiling cos cosh cot degrees div exp floor gcd greatest
    least lcm ln log log10 log2 mod pi pow power radians rand random round sign sin sinh sqrt tan tanh trunc truncate
    width_bucket
"""
_TEXT = """
    ascii bit_length btrim char char_length character_length chr concat concat_ws decode encode format glob hex
    initcap instr left length like lower lpad ltrim md5 octet_length overlay position printf quote repeat replace
    reverse right rpad rtrim sha224 sha256 sha384 sha512 soundex split_part starts_with strpos substr substring
    to_hex translate trim unhex unicode upper regexp_count regexp_instr regexp_like regexp_match regexp_matches
    regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr similarity string_to_array
    string_to_table unaccent
"""
_TIME = """
    age clock_timestamp current_date current_time current_timestamp curdate curtime date date_add date_bin
    date_format date_part date_sub date_trunc datediff datetime day dayname dayofmonth dayofweek dayofyear extract
    from_unixtime hour isfinite julianday justify_days justify_hours justify_interval last_day localtime
    localtimestamp make_date make_interval make_time make_timestamp make_timestamptz microsecond minute month
    monthname now quarter second statement_timestamp str_to_date strftime sysdate time timediff timestampdiff
    timezone to_char to_date to_number to_timestamp transaction_timestamp unix_timestamp unixepoch utc_timestamp
    week weekday year
"""
_LOGIC = "coalesce if ifnull iif isnull nullif nvl num_nonnulls num_nulls cast convert typeof pg_typeof"
_DOCUMENTS = """
    json json_array json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_contains json_each json_each_text json_extract json_extract_path
    json_extract_path_text json_insert json_keys json_length json_object json_object_keys json_patch json_quote
    json_remove json_replace json_search json_set json_strip_nulls json_tree json_type json_typeof json_unquote
    json_valid json_value jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert
    jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
    jsonb_path_query_first jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof to_json
    to_jsonb row_to_json hstore
"""
_ARRAYS_AND_RANGES = """
    array array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
    array_positions array_prepend array_remove array_replace array_to_json array_to_string array_upper cardinality
    daterange generate_series generate_subscripts int4range int8range isempty lower_inc lower_inf numrange
    range_agg range_merge tsrange tstzrange unnest upper_inc upper_inf
"""
_SEARCH = """
    match numnode phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery to_tsvector ts_headline
    ts_rank ts_rank_cd websearch_to_tsquery word_similarity bm25 highlight snippet
"""
_MADE_HERE = "gen_random_uuid uuid uuid_generate_v4 uuidv4 uuidv7 next_value nextval bernoulli system"

ALLOWED_FUNCTIONS: Final = frozenset(
    name
    for group in (
        _AGGREGATES,
        _WINDOWS,
        _NUMBERS,
        _TEXT,
        _TIME,
        _LOGIC,
        _DOCUMENTS,
        _ARRAYS_AND_RANGES,
        _SEARCH,
        _MADE_HERE,
    )
    for name in group.split()
)
