"""The functions that scoped statements may call."""

import pytest

from tenantkit.isolation.functions import ALLOWED_FUNCTIONS

READS_TABLES = """
    query_to_xml query_to_xml_and_xmlschema query_to_xmlschema table_to_xml table_to_xml_and_xmlschema
    table_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema database_to_xml
    database_to_xml_and_xmlschema database_to_xmlschema cursor_to_xml cursor_to_xmlschema xpath_table crosstab crosstab2
    crosstabn connectby dblink dblink_exec dblink_connect dblink_connect_u dblink_open dblink_fetch dblink_send_query
    dblink_get_result ts_stat ts_rewrite lookup get_bit_from_table pg_get_viewdef sqlite_dbpage dbstat sqlite_stmt
    fts5_decode execute eval exec
"""
READS_FILES = """
    pg_read_file pg_read_binary_file pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_tmpdir pg_ls_archive_statusdir
    pg_stat_file pg_file_write pg_file_read pg_file_unlink pg_file_rename lo_import lo_export lo_get lo_put lo_open
    lo_create lo_from_bytea lo_unlink loread lowrite load_file readfile writefile edit fsdir lsmode load_extension
    copy xmlparse file_read
"""
READS_SETTINGS = """
    set_config current_setting current_user session_user user current_role current_schema current_schemas
    current_database current_catalog version inet_client_addr inet_server_addr pg_settings pg_show_all_settings
    has_table_privilege database connection_id system_user schema sqlite_version sqlite_compileoption_get
    txid_current pg_current_xact_id pg_backend_pid row_security_active
"""
ACTS = """
    pg_sleep pg_sleep_for pg_sleep_until sleep benchmark pg_terminate_backend pg_cancel_backend pg_reload_conf
    pg_advisory_lock pg_advisory_xact_lock pg_try_advisory_lock get_lock release_lock pg_notify pg_switch_wal
    pg_create_restore_point pg_logical_emit_message pg_rotate_logfile pg_promote pg_export_snapshot setval lastval
    currval last_insert_rowid last_insert_id changes total_changes pg_replication_slot_advance pg_drop_replication_slot
    sys_exec sys_eval xp_cmdshell plpgsql_call_handler pg_stat_reset zeroblob randomblob
"""
REFUSED = {
    "reads tables": READS_TABLES,
    "reads files": READS_FILES,
    "reads settings": READS_SETTINGS,
    "acts": ACTS,
}


@pytest.mark.parametrize("kind", REFUSED)
def test_functions_that_do_more_than_compute_are_not_allowed(kind):
    """No function that reads tables, files or settings, or that acts on the server, is on the list."""
    assert [] == sorted(set(REFUSED[kind].split()) & ALLOWED_FUNCTIONS)


def test_no_administrative_function_is_allowed():
    """Of PostgreSQL's own functions only the name of a type is allowed; of large objects and links none."""
    prefixes = (
        "pg_",
        "lo_",
        "dblink",
        "xml",
        "sqlite_",
        "sys_",
        "has_",
        "txid_",
        "inet_",
        "current_s",
        "fts",
    )
    assert {"pg_typeof"} == {name for name in ALLOWED_FUNCTIONS if name.startswith(prefixes)}


def test_names_are_plain_and_lower_case():
    """Each name is one lower-case identifier, so that the comparison is exact."""
    assert [] == [name for name in ALLOWED_FUNCTIONS if not name.isidentifier() or name != name.lower()]


@pytest.mark.parametrize(
    "name", ["count", "sum", "coalesce", "lower", "now", "row_number", "json_extract", "date_trunc", "unnest"]
)
def test_everyday_functions_are_allowed(name):
    """What applications call every day needs no declaration."""
    assert name in ALLOWED_FUNCTIONS
