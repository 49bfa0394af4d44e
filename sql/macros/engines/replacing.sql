{# A pre-hook of what holds rows of single runs: delete the rows of the runs that another relation names. #}
{% macro delete_runs(relation, runs, and_rows_of_no_run) -%}
    {{ return(adapter.dispatch('delete_runs', 'statsig_runs')(relation, runs, and_rows_of_no_run)) }}
{%- endmacro %}

{% macro default__delete_runs(relation, runs, and_rows_of_no_run) -%}
    {{ delete_keys(relation, 'run_id', runs) }} {{ 'or run_id is null' if and_rows_of_no_run }}
{%- endmacro %}

{% macro databricks__delete_runs(relation, runs, and_rows_of_no_run) -%}
    merge into {{ relation }} as modelled
    using ({{ replaced_runs(runs, and_rows_of_no_run) }}) as replaced on modelled.run_id <=> replaced.run_id
    when matched then delete
{%- endmacro %}

{# On Spark each statement is a commit, and a reader would see the rows gone. So here the runs are only named, in a view of
   the session, and the merge below deletes and inserts. #}
{% macro spark__delete_runs(relation, runs, and_rows_of_no_run) -%}
    create or replace temporary view {{ relation.identifier }}__replaced as {{ replaced_runs(runs, and_rows_of_no_run) }}
{%- endmacro %}

{% macro replaced_runs(runs, and_rows_of_no_run) -%}
    select run_id from {{ runs }} {{ 'union all select cast(null as string) as run_id' if and_rows_of_no_run }}
{%- endmacro %}


{# In place of dbt's, for all incremental models here: a source row is a run to delete, or a row to insert. #}
{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) -%}
    {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
    merge into {{ target }} as modelled
    using (
        select true as is_replaced, run_id
            {%- for column in columns if column != 'run_id' %}, null as {{ column }} {%- endfor %}
        from {{ target.identifier }}__replaced
        union all
        select false as is_replaced, run_id {%- for column in columns if column != 'run_id' %}, {{ column }} {%- endfor %}
        from {{ source }}
    ) as built on built.is_replaced and modelled.run_id <=> built.run_id
    when matched then delete
    when not matched and not built.is_replaced
        then insert ({{ columns | join(', ') }}) values ({% for column in columns %}built.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
